import { busbarTcp } from "./busbar-tcp.ts";
import { busbarWs } from "./busbar-ws.ts";
import { mqtt } from "./mqtt.ts";
import { nats } from "./nats.ts";
import type { Wire } from "./wire.ts";

/** The wires by the name that a target's endpoints use. */
export const wires = { "busbar-tcp": busbarTcp, "busbar-ws": busbarWs, mqtt, nats } as const satisfies Record<string, Wire>;

/** Name of a wire. */
export type WireName = keyof typeof wires;
