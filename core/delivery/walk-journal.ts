import { BusbarError } from "../errors.ts";
import type { Entry, Journal, ReadQuery } from "../journal.ts";

/**
 * Reads what the journal holds now, page by page, for a view that is filled at start. Retention may be at work meanwhile: what it removes ahead of the walk is left out, as it
 * would have been a moment later; and so is what is damaged, as a view without it is better than no start. `after`: only entries beyond this offset; `limit`: entries per page, 1–10,000.
 * @throws {BusbarError} what `Journal.read` throws otherwise.
 */
export async function* walkJournal(journal: Journal, { after, limit, pattern }: ReadQuery): AsyncGenerator<readonly Entry[], void, undefined> {
  const { first, last } = journal.bounds();
  for (let at = Math.max(after, first - 1, 0); at < last; ) {
    try {
      const page = await journal.read({ after: at, limit, pattern });
      yield page.entries;
      at = page.until;
    } catch (error) {
      const next = error instanceof BusbarError && (error.code === "UNKNOWN_OFFSET" || error.code === "DAMAGED") ? (error.resumeAfter ?? journal.bounds().first - 1) : 0;
      if (next <= at) throw error;
      at = next;
    }
  }
}
