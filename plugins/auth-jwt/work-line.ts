import { Refusal } from "./refusal.ts";

/** Runs expensive work a few at a time, so that logins cannot take the machine or its memory. */
export interface WorkLine {
  /**
   * Runs `work` when its turn has come.
   * @throws {Refusal} "overload" when the line is full; the signal's reason when it aborts before the work began.
   */
  run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T>;
}

/** Makes a line. `concurrency`: how many run at once; `waiting`: how many may wait for their turn. */
export function createWorkLine(options: { readonly concurrency: number; readonly waiting: number }): WorkLine {
  const line = new Set<() => void>();
  let running = 0;

  const turn = (signal?: AbortSignal): Promise<void> => {
    if (running < options.concurrency) {
      running++;
      return Promise.resolve();
    }
    if (line.size >= options.waiting) return Promise.reject(new Refusal("overload", `${line.size} checks of device secrets are waiting already`));
    return new Promise((resolve, reject) => {
      const start = (): void => {
        signal?.removeEventListener("abort", leave);
        resolve();
      };
      const leave = (): void => {
        line.delete(start);
        reject(signal?.reason);
      };
      line.add(start);
      signal?.addEventListener("abort", leave, { once: true });
    });
  };

  return {
    async run(work, signal) {
      signal?.throwIfAborted();
      await turn(signal);
      try {
        return await work();
      } finally {
        const next = line.values().next();
        if (next.done) running--;
        else {
          line.delete(next.value); // the place is handed on, `running` stays
          next.value();
        }
      }
    },
  };
}
