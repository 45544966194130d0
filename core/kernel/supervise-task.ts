import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import { retryDelay } from "../retry.ts";

/** What ran this long without failing starts again with a short pause. Milliseconds. */
export const steadyAfter = 60_000;

/** What a task of a plugin is run with. */
export interface TaskOptions {
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly log: Log;
}

/** Runs a task of a plugin until it returns or the signal aborts; when it throws it is logged and started again with growing pauses. Never rejects. */
export async function superviseTask(task: (signal: AbortSignal) => Promise<void>, { signal, clock, log }: TaskOptions): Promise<void> {
  for (let attempt = 0; !signal.aborted; attempt++) {
    const began = clock.now();
    try {
      return await task(signal);
    } catch (error) {
      if (signal.aborted) return;
      log.error("task failed, it is started again", { error });
      if (clock.now() - began > steadyAfter) attempt = 0;
      await clock.sleep(retryDelay(attempt), signal).catch(() => {});
    }
  }
}
