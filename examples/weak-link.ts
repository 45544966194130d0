import { webSocketBy, type Connection, type ConnectionEvents, type Transport } from "@busbar/client";

/** A line of the simulated devices to the gateway, which can be cut. */
export interface WeakLink {
  /** What a client connects by. */
  readonly transport: Transport;
  /** Ends the connection there is, without a goodbye, and lets none through until `mend`. */
  cut(): void;
  mend(): void;
  readonly up: boolean;
}

/** Makes a line over WebSocket that is up. */
export function createWeakLink(): WeakLink {
  const inner = webSocketBy((url, protocol) => new WebSocket(url, protocol));
  const breakers = new Set<() => void>();
  let up = true;
  return {
    get up() {
      return up;
    },
    transport: {
      open(url, events) {
        if (!up) return openNothing(events);
        const connection = inner.open(url, { ...events, closed: (code, reason) => breakers.delete(breakIt) && events.closed(code, reason) });
        const breakIt = (): void => {
          breakers.delete(breakIt);
          connection.close(false);
          events.closed(0, "the link is down");
        };
        breakers.add(breakIt);
        return { ...connection, close: (clean) => void (breakers.delete(breakIt) && connection.close(clean)) };
      },
    },
    cut() {
      up = false;
      for (const breakIt of [...breakers]) breakIt();
    },
    mend() {
      up = true;
    },
  };
}

/** A connection that does not come about. */
function openNothing(events: ConnectionEvents): Connection {
  let closed = false;
  queueMicrotask(() => !closed && events.closed(0, "the link is down"));
  return { publish() {}, send() {}, buffered: () => 0, close: () => void (closed = true) };
}
