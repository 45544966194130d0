import { connect, type Socket } from "node:net";
import type { Clock, Log } from "@busbar/core";
import type { Fault, FaultOf } from "./fault.ts";
import type { ActiveFault, Faults } from "./faults.ts";
import { createDraw } from "./signal.ts";

/** What a connection is relayed with. */
export interface OpcuaRelayOptions {
  /** Port of the inner server on the loopback interface. */
  readonly inner: number;
  /** Port that the client came to. */
  readonly port: number;
  /** What the client has said already. */
  readonly first: Uint8Array;
  readonly faults: Faults;
  readonly clock: Clock;
  readonly log: Log;
}

type RelayFault = FaultOf<"no-answer" | "slow" | "drop" | "garbage">;

/** Bytes that may wait for their time before the inner server is not read from any more. */
const maxHeld = 1_048_576;

/**
 * Passes the bytes of a connection to the inner server and back until one side ends. What faults there are meets the way back: `no-answer` holds it
 * up until the fault is over, as a server that hangs does, `slow` delays it, `garbage` and `drop` spoil what is sent next.
 */
export function relayOpcua(socket: Socket, options: OpcuaRelayOptions): void {
  if (socket.destroyed) return;
  const { faults, clock, log, port } = options;
  const draw = createDraw(clock.now());
  const inner = connect({ port: options.inner, host: "127.0.0.1", noDelay: true });
  const held: { readonly due: number; readonly bytes: Buffer }[] = [];
  let heldBytes = 0;
  let innerEnded = false;
  let cancel = (): void => {};

  const pump = (): void => {
    cancel();
    const now = clock.now();
    while (held.length > 0 && held[0]!.due <= now && !findRelayFault(faults.active, port, ["no-answer"])) {
      const { bytes } = held.shift()!;
      heldBytes -= bytes.length;
      socket.write(bytes);
    }
    if (held.length > 0 && held[0]!.due > now) cancel = clock.after(held[0]!.due - now, pump);
    if (innerEnded && held.length === 0) return void socket.destroySoon();
    if (heldBytes < maxHeld && !socket.writableNeedDrain) inner.resume();
  };
  const unlisten = faults.listen({ ended: () => held.length > 0 && pump() });

  inner.on("data", (bytes: Buffer) => {
    const active = faults.active.length === 0 ? undefined : findRelayFault(faults.active, port, ["no-answer", "slow", "drop", "garbage"], draw);
    if (!active && held.length === 0) return void (socket.write(bytes) || inner.pause());
    const fault = active?.fault;
    if (fault?.kind === "drop") {
      if (fault.within) socket.write(bytes.subarray(0, bytes.length >> 1));
      faults.struck(active!);
      return void socket.destroySoon();
    }
    held.push({ due: clock.now() + (fault?.kind === "slow" ? fault.delay : 0), bytes: fault?.kind === "garbage" ? Buffer.from(bytes.map(() => Math.floor(draw() * 256))) : bytes });
    heldBytes += bytes.length;
    if (heldBytes >= maxHeld) inner.pause();
    if (active && fault?.kind !== "no-answer") faults.struck(active);
    pump();
  });
  inner.on("error", (error) => {
    log.debug("opcua connection broke", { error });
    socket.destroy();
  });
  inner.on("close", () => {
    innerEnded = true;
    pump();
  });
  socket.on("drain", pump);
  socket.on("close", () => {
    cancel();
    unlisten();
    inner.destroy();
  });
  inner.write(options.first);
  socket.pipe(inner);
}

/** The first fault of those kinds that is on whole connections of that port. */
function findRelayFault(active: readonly ActiveFault[], port: number, kinds: readonly Fault["kind"][], draw?: () => number): (ActiveFault & { readonly fault: RelayFault }) | undefined {
  return active.find((one): one is ActiveFault & { readonly fault: RelayFault } => {
    if (!kinds.includes(one.fault.kind)) return false;
    const { protocol, port: only, unit, machine, functions, table, addresses, share } = one.fault as RelayFault;
    if (protocol === "modbus" || (only !== undefined && only !== port)) return false;
    if (unit !== undefined || machine !== undefined || functions || table !== undefined || addresses) return false; // it is one of Modbus requests
    return share >= 1 || draw === undefined || draw() < share;
  });
}
