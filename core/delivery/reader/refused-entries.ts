import type { DeadLetter } from "../../dead-letters.ts";
import { BusbarError } from "../../errors.ts";
import type { Entry } from "../../journal.ts";
import type { RefusedEntry } from "../dead-letter-box.ts";

/** A batch whose handler has failed. */
export interface FailedBatch {
  readonly entries: readonly Entry[];
  /** The dead letters that it is made of, when it is a replay. */
  readonly letters?: readonly DeadLetter[];
}

/** What a handler that threw `error` refuses for good: some entries of the batch, or undefined when it is to be asked again. */
export function refusedEntries(error: unknown, { entries, letters }: FailedBatch): readonly RefusedEntry[] | undefined {
  if (!(error instanceof BusbarError) || error.code !== "REFUSED") return undefined;
  const { offsets, reasons, message } = error;
  const named = offsets === undefined ? undefined : new Set(offsets);
  return entries.flatMap((entry, at) => (named === undefined || named.has(entry.offset) ? [{ entry, reason: reasons?.get(entry.offset) ?? message, replaces: letters?.[at] }] : []));
}
