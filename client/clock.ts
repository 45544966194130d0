import type { Clock } from "@busbar/core";

/** Time as the client sees it: milliseconds since the Unix epoch, and calls that come later. A `Clock` of @busbar/core is one, and so is its `fakeClock`. */
export type ClientClock = Pick<Clock, "now" | "after">;

/** The machine's own clock. A time to wait is at most 2^31 - 1 ms here: nothing in a client waits longer. */
export const systemClock: ClientClock = {
  now: () => Date.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, Math.min(ms, 2 ** 31 - 1));
    return () => clearTimeout(timer);
  },
};
