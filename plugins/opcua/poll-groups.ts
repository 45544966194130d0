import type { Clock, Log } from "@busbar/core";
import { reasonOf } from "./endpoint.ts";
import type { Point } from "./point.ts";
import type { Readings } from "./readings.ts";
import type { ServerView } from "./server-view.ts";

/** What polls. */
export interface PollOptions {
  readonly view: ServerView;
  readonly clock: Clock;
  readonly log: Log;
  readonly readings: Readings;
  /** Polling ends when it aborts. */
  readonly signal: AbortSignal;
  /** Counts rounds that were left out as the one before had not ended. */
  readonly skipped: { value: number };
}

/**
 * Reads points in bulk, those of each interval together, on a schedule without drift: a round that takes longer than its interval leaves out the next one, it does not shift those after it.
 * Points without a node are left out until they have one.
 */
export function startPolling(points: readonly Point[], options: PollOptions): void {
  const { clock, signal, skipped } = options;
  for (const [interval, group] of Map.groupBy(points, ({ watching }) => watching.poll!)) {
    let busy = false;
    const round = (): void => {
      if (busy) return void skipped.value++;
      busy = true;
      void readAll(group, options).finally(() => (busy = false));
    };
    const cancel = clock.every(interval, round);
    signal.addEventListener("abort", cancel, { once: true });
    round();
  }
}

/** Reads points once and publishes what they are now. */
export async function readAll(points: readonly Point[], { view, log, readings, signal }: Omit<PollOptions, "clock" | "skipped">): Promise<void> {
  const known = points.filter(({ nodeId }) => nodeId !== undefined);
  try {
    const values = await view.read(known.map(({ nodeId }) => ({ nodeId: nodeId! })), { signal });
    for (const [at, value] of values.entries()) readings.add(known[at]!, value);
    await readings.flush();
  } catch (error) {
    if (!signal.aborted) log.warn("nodes could not be read", { nodes: known.length, reason: reasonOf(error) });
  }
}
