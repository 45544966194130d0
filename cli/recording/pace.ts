import type { Clock } from "@busbar/core";
import { timeOf, type RecordedMessage } from "./recording-file.ts";

/** How a recording is played. */
export interface PaceOptions {
  readonly clock: Clock;
  /** Times as fast as it happened; Infinity = without pauses. */
  readonly speed: number;
  /** Messages a second at the most; Infinity = no limit. */
  readonly rate: number;
  readonly signal: AbortSignal;
}

/**
 * Hands on each message when it is due: the time since the first one, divided by the speed, counted from when playing began, so that what is late once does not shift
 * the rest. A message that is older than the one before it is due at once. `late` is told how far behind each was, in milliseconds.
 */
export async function* paced(messages: AsyncIterable<RecordedMessage>, { clock, speed, rate, signal }: PaceOptions, late: (ms: number) => void): AsyncGenerator<RecordedMessage> {
  let began = 0;
  let first = 0;
  let due = 0;
  for await (const message of messages) {
    if (signal.aborted) return;
    if (began === 0) {
      began = due = clock.now();
      first = timeOf(message);
    } else {
      const wanted = speed === Number.POSITIVE_INFINITY ? began : began + (timeOf(message) - first) / speed;
      due = Math.max(wanted, rate === Number.POSITIVE_INFINITY ? wanted : due + 1000 / rate);
    }
    const wait = due - clock.now();
    if (wait >= 1) await clock.sleep(wait, signal).catch(() => {});
    if (signal.aborted) return;
    late(Math.max(0, clock.now() - due));
    yield message;
  }
}
