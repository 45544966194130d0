import { createClock, type Clock } from "../clock.ts";

/** A clock that stands still until a test moves it. */
export interface FakeClock extends Clock {
  /**
   * Moves time on by `ms`, calling what falls due in order, each at its own time. Between two calls it lets promises that are ready run, so that code that
   * awaits `sleep` goes on within the same `advance`.
   */
  advance(ms: number): Promise<void>;
  /** Timers that wait: 0 when nothing was left behind. */
  readonly timers: number;
}

/** Makes a clock for tests. `start`: milliseconds since the Unix epoch, default 2026-01-01T00:00:00Z. */
export function fakeClock(start: number = Date.UTC(2026, 0, 1)): FakeClock {
  let now = start;
  let order = 0;
  const waiting = new Map<number, { due: number; callback: () => void }>();

  const next = (until: number): number | undefined => {
    let found: number | undefined;
    let due = until;
    for (const [id, timer] of waiting) {
      if (timer.due < due || (timer.due === due && found === undefined)) {
        found = id;
        due = timer.due;
      }
    }
    return found;
  };

  const clock = createClock(
    () => now,
    (ms, callback) => {
      const id = ++order;
      waiting.set(id, { due: now + Math.max(0, ms), callback });
      return () => waiting.delete(id);
    },
  );

  return {
    ...clock,
    get timers() {
      return waiting.size;
    },
    async advance(ms) {
      const until = now + ms;
      await settle();
      for (let id = next(until); id !== undefined; id = next(until)) {
        const timer = waiting.get(id)!;
        waiting.delete(id);
        now = Math.max(now, timer.due);
        timer.callback();
        await settle();
      }
      now = until;
      await settle();
    },
  };
}

/** Lets every promise that is ready, and what it makes ready, run. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
