import { errorCode, toJsonObject, type BusbarError, type Encryption } from "@busbar/core";
import { openJournalCopy } from "@busbar/storage-sqlite";
import type { Moment } from "./moment.ts";
import type { RecordedMessage } from "./recording-file.ts";

/** Messages read at once. */
const page = 1000;

/**
 * The messages of a journal's file as if they had been recorded, oldest first. The file is only read. Entries that are damaged are left out; `warn` hears of them. Fields that are encrypted are read with the keys of `encryption`.
 * @throws {BusbarError} IO when it is no journal, UNAVAILABLE when a gateway is writing to it.
 */
export async function* readJournal(file: string, options: { readonly pattern: string; readonly from: Moment | undefined; readonly encryption: Encryption | undefined; readonly warn: (text: string) => void }): AsyncGenerator<RecordedMessage> {
  await using copy = await openJournalCopy(file, options);
  const { journal } = copy;
  const { first, last } = journal.bounds();
  const { from, pattern, warn } = options;
  for (let after = Math.max(first - 1, from?.kind === "offset" ? from.offset - 1 : 0); after < last; ) {
    try {
      const { entries, until } = await journal.read({ after, limit: page, pattern });
      for (const { message, offset } of entries) {
        const { ver: _ver, ...envelope } = toJsonObject(message, offset);
        yield { ...envelope, received: message.received } as unknown as RecordedMessage;
      }
      after = until;
    } catch (error) {
      const { resumeAfter } = error as BusbarError;
      if (errorCode(error) !== "DAMAGED" || resumeAfter === undefined) throw error;
      warn(`offsets ${after + 1} to ${resumeAfter} are damaged and left out`);
      after = resumeAfter;
    }
  }
}
