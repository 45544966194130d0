import { deflateRawSync, inflateRawSync } from "node:zlib";
import type { PostOffice } from "../delivery/post-office.ts";
import { Message } from "../envelope.ts";
import type { Log } from "../log.ts";
import type { RouteState } from "../route.ts";
import { gatewayId, routeStateType } from "../topic.ts";

/** What the steps of a route remember, as it is in the journal. */
export interface StoredState {
  /** Every message of qos 1 or 2 up to this one has been through the steps. */
  readonly offset: number;
  readonly steps: RouteState;
}

/**
 * What steps of routes remember, as a view of the journal: one retained message of type `route-state` for each route, which nobody else sees. It stands in the journal behind everything
 * the route had sent by then, so whoever finds it finds that, too. It is compressed (RFC 1951), which takes 4 ms for the 1.2 MB of ten thousand series and leaves a ninth of them in the journal.
 */
export class RouteStates {
  readonly #office: PostOffice;
  readonly #log: Log;

  constructor({ office, log }: { readonly office: PostOffice; readonly log: Log }) {
    this.#office = office;
    this.#log = log;
  }

  /** What there is, by name of the route. */
  read(): ReadonlyMap<string, StoredState> {
    const found = new Map<string, StoredState>();
    this.#office.retained(`${routeStateType}/${gatewayId}/+`, ({ from, payload }) => {
      const name = from.slice(gatewayId.length + 1);
      const state = read(payload);
      if (state) found.set(name, state);
      else this.#log.warn("what the steps of a route remember cannot be read: they begin anew", { route: name });
    });
    return found;
  }

  /** Writes it. `steps`: the state of the steps as JSON. `failed` is called when the journal does not take it. */
  write(route: string, { offset, steps, failed }: { readonly offset: number; readonly steps: string; readonly failed: () => void }): void {
    this.#send(route, new Uint8Array(deflateRawSync(`{"offset":${offset},"steps":${steps}}`, { level: 1 })), failed);
  }

  /** Takes it out of the journal. */
  clear(route: string): void {
    this.#send(route, null, () => {});
  }

  #send(route: string, payload: Uint8Array | null, failed: () => void): void {
    const message = new Message(routeStateType, `${gatewayId}/${route}`, "server", "", 0, 1, true, undefined, payload); // not createMessage(): nobody else may say this type
    this.#office.complete(message, gatewayId);
    this.#office.deliver(message, (error) => {
      if (error === undefined) return;
      this.#log.warn("what the steps of a route remember is not in the journal", { route, error });
      failed();
    });
  }
}

/** The largest state that is read: twice what may be written. */
const mostBytes = 512 * 1024 ** 2;

function read(payload: unknown): StoredState | undefined {
  if (!(payload instanceof Uint8Array)) return undefined;
  try {
    return stateOf(JSON.parse(inflateRawSync(payload, { maxOutputLength: mostBytes }).toString()));
  } catch {
    return undefined; // the caller says so
  }
}

function stateOf(payload: unknown): StoredState | undefined {
  if (!isObject(payload) || !Number.isSafeInteger(payload["offset"]) || !isObject(payload["steps"])) return undefined;
  const steps = Object.entries(payload["steps"]).flatMap(([place, step]) => (isObject(step) && typeof step["config"] === "string" ? [[place, { config: step["config"], state: step["state"] }] as const] : []));
  return { offset: payload["offset"] as number, steps: Object.fromEntries(steps) };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
