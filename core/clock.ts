/**
 * Time as the kernel and every plugin see it. Plugins take time only from `ctx.clock`, so that tests can run on a
 * fake one (`fakeClock` of the testkit) and so that a callback that throws is put down to the plugin that set it.
 */
export interface Clock {
  /** Milliseconds since the Unix epoch, UTC. */
  now(): number;
  /** Calls `callback` once, `ms` milliseconds from now. Returns the function that cancels it; cancelling twice does nothing. */
  after(ms: number, callback: () => void): () => void;
  /** Calls `callback` every `ms` milliseconds (≥ 1), without drift: late calls do not shift the later ones. Returns the function that ends it. */
  every(ms: number, callback: () => void): () => void;
  /**
   * Resolves `ms` milliseconds from now.
   * @throws the signal's reason when `signal` aborts first; the timer is then gone.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Builds a sleep on top of any clock's `after`. */
function sleepOn(after: Clock["after"]): Clock["sleep"] {
  return (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const onAbort = (): void => {
        cancel();
        reject(signal?.reason);
      };
      const cancel = after(ms, () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      });
      signal?.addEventListener("abort", onAbort, { once: true });
    });
}

/** Makes a clock out of the two primitives that differ between real and fake time. */
export function createClock(now: () => number, after: Clock["after"]): Clock {
  return {
    now,
    after,
    sleep: sleepOn(after),
    every(ms, callback) {
      if (!(ms >= 1)) throw new RangeError(`Cannot repeat every ${ms} ms: the shortest period is 1 ms`);
      let due = now() + ms;
      let cancel = after(ms, tick);
      let open = true;
      function tick(): void {
        const late = now() - due;
        due += late >= ms ? ms * (Math.floor(late / ms) + 1) : ms; // a stall skips periods, it does not replay them
        cancel = after(Math.max(0, due - now()), tick);
        try {
          callback();
        } finally {
          if (!open) cancel();
        }
      }
      return () => {
        open = false;
        cancel();
      };
    },
  };
}

/** What a timer of the runtime can wait at the most; asked for more it fires at once. */
const longestTimer = 2 ** 31 - 1;

/** The machine's own clock. */
export const systemClock: Clock = createClock(Date.now, (ms, callback) => {
  let timer: ReturnType<typeof setTimeout>;
  const wait = (left: number): void => {
    timer = left <= longestTimer ? setTimeout(callback, left) : setTimeout(wait, longestTimer, left - longestTimer);
  };
  wait(ms);
  return () => clearTimeout(timer);
});
