import type { Server } from "node:net";
import type { Clock, Log } from "@busbar/core";
import type { Fault } from "./fault.ts";
import type { Faults } from "./faults.ts";
import { listen } from "./listen.ts";

/** How a listener is opened. */
export interface DoorOptions {
  readonly protocol: "modbus" | "opcua";
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  readonly faults: Faults;
  readonly clock: Clock;
  readonly log: Log;
  /** Ends every connection at once. */
  cut(): void;
  /** The server behind it is to begin anew: the port has just been closed for a restart. */
  restart(): void;
}

/** A listener that faults can close for a while. */
export interface Door {
  readonly port: number;
  /** Stops listening and ends every connection; resolves when all is released. */
  close(): Promise<void>;
}

/** Milliseconds between two tries to open a port again that somebody else has taken meanwhile. */
const retryPause = 1_000;

/**
 * Opens a listener. While a `refuse` or `restart` fault is on it, its port is closed and its connections are ended; a connection attempt meets nobody.
 * @throws {BusbarError} UNAVAILABLE when it cannot listen.
 */
export async function openDoor(server: Server, options: DoorOptions): Promise<Door> {
  const { faults, clock, log, protocol, host } = options;
  const port = await listen(server, options);
  let open = true;
  let over = false;
  let work = Promise.resolve();
  let cancelRetry = (): void => {};

  const isShut = (): boolean => faults.active.some(({ fault }) => shuts(fault, { protocol, port }));
  const shut = (): Promise<void> => {
    open = false;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    options.cut();
    return closed;
  };
  const settle = (): void => {
    work = work.then(async () => {
      if (over || open !== isShut()) return;
      if (open) return shut();
      try {
        await listen(server, { host, port });
        open = true;
      } catch (error) {
        log.error("simulated server could not be opened again", { protocol, port, error });
        cancelRetry = clock.after(retryPause, settle);
      }
    });
  };
  const unlisten = faults.listen({
    began({ fault }) {
      if (!shuts(fault, { protocol, port })) return;
      if (fault.kind === "restart") options.restart();
      settle();
    },
    ended({ fault }) {
      if (shuts(fault, { protocol, port })) settle();
    },
  });
  return {
    port,
    async close() {
      over = true;
      unlisten();
      cancelRetry();
      await work;
      if (open) await shut();
    },
  };
}

function shuts(fault: Fault, at: { readonly protocol: "modbus" | "opcua"; readonly port: number }): boolean {
  if (fault.kind !== "refuse" && fault.kind !== "restart") return false;
  return (fault.protocol === undefined || fault.protocol === at.protocol) && (fault.port === undefined || fault.port === at.port);
}
