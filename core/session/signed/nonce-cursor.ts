import type { Clock } from "../../clock.ts";
import type { Journal } from "../../journal.ts";
import type { Log } from "../../log.ts";
import { gatewayId } from "../../topic.ts";

/** Milliseconds between two looks. */
const interval = 30_000;

/** Name of the cursor behind which every note about nonces is needed. */
export const nonceCursor = `${gatewayId}/nonces`;

/** What it works with. */
export interface NonceCursorOptions {
  readonly journal: Journal;
  readonly clock: Clock;
  readonly log: Log;
  /** The offset of the oldest note that is needed; Infinity = none is; undefined = there never was one. */
  readonly oldest: () => number | undefined;
}

/**
 * Keeps the notes that are needed in the journal, as a cursor stands before them, which retention does not pass; and lets the next start read from there instead of from the beginning.
 * Returns what ends it.
 */
export function keepNonceNotes({ journal, clock, log, oldest }: NonceCursorOptions): () => void {
  let at = -1;
  let busy = false;
  const look = async (): Promise<void> => {
    const first = oldest();
    if (first === undefined) return;
    const wanted = Math.min(first - 1, journal.bounds().last);
    if (wanted <= at) return;
    await journal.moveCursor(nonceCursor, wanted);
    at = wanted;
  };
  return clock.every(interval, () => {
    if (busy) return;
    busy = true;
    look().catch((error: unknown) => log.warn("it is not noted which nonces the journal has to keep", { error })).finally(() => (busy = false));
  });
}
