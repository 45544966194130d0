import { isWhole, toBuffer, type Block } from "./block.ts";
import { entryMatcher, Page, pageMs, type BlockQuery, type PackedPage } from "./block-reader.ts";
import { areNoted, isSound, type BlockSummary } from "./block-summary.ts";
import { entrySize } from "./entry-layout.ts";
import type { EntrySeal } from "./entry-seal.ts";

/** A query that names the types that it can match. */
export interface TypedQuery extends BlockQuery {
  readonly types: readonly string[];
}

/** What a reader of summaries walks over, and what it falls back on. */
export interface SummarizedJournal {
  readonly epoch: string;
  readonly oldest: number;
  readonly newest: number;
  readonly seal: EntrySeal;
  /** From the query's `after` on. */
  readonly summaries: Iterable<BlockSummary>;
  /** The block that ends at an offset. */
  readonly block: (last: number) => Block | undefined;
  /** Reads the page from the blocks themselves. */
  readonly plain: () => PackedPage;
}

/**
 * Reads a page with the help of summaries: passes over blocks without any of the wanted types, and takes what summaries have copied from there. A summary is trusted only where it is sound
 * and joins the one before; where it is not, or has none, the blocks themselves are read. Damage of what is passed over is left to those whom it concerns.
 * @throws {StorageFault} what `plain` throws.
 */
export function readSummarized(query: TypedQuery, journal: SummarizedJournal): PackedPage {
  const { after, limit, types } = query;
  const page = new Page(journal.seal);
  const matches = entryMatcher(query);
  const noted = areNoted(types);
  const wanted = new Map<string, boolean>();
  let upTo = after;
  const end = performance.now() + pageMs;
  for (const summary of journal.summaries) {
    if (!isSound(summary, journal.epoch) || summary.first > Math.max(upTo + 1, journal.oldest)) break;
    let wants = wanted.get(summary.types);
    if (wants === undefined) wanted.set(summary.types, (wants = types.some((type) => ` ${summary.types}`.includes(` ${type} `))));
    if (wants) {
      const found = noted && summary.noted !== null ? notedEntries(summary.noted) : blockEntries(journal.block(summary.last), journal.epoch);
      if (found === undefined) break;
      for (const { offset, bytes } of found) {
        if (offset <= upTo || !matches(bytes, 0)) continue;
        if (!page.add(offset, bytes)) return page.endBefore(offset, after);
        if (page.isFull(limit)) return page.pack(offset);
      }
    }
    upTo = summary.last;
    if (performance.now() > end) break;
  }
  return upTo > after || after >= journal.newest ? page.pack(upTo) : journal.plain();
}

interface Found {
  readonly offset: number;
  readonly bytes: Buffer;
}

function* notedEntries(noted: Uint8Array): Generator<Found> {
  const bytes = toBuffer(noted);
  for (let at = 0; at < bytes.length; ) {
    const end = at + 8 + entrySize(bytes, at + 8);
    yield { offset: bytes.readDoubleLE(at), bytes: bytes.subarray(at + 8, end) };
    at = end;
  }
}

/** Undefined where the block is missing or not as it was written. */
function blockEntries(block: Block | undefined, epoch: string): Iterable<Found> | undefined {
  return block !== undefined && isWhole(block, epoch) ? entriesOf(block) : undefined;
}

function* entriesOf({ first, body }: Block): Generator<Found> {
  const bytes = toBuffer(body);
  for (let at = 0, offset = first; at < bytes.length; offset++) {
    const end = at + entrySize(bytes, at);
    yield { offset, bytes: bytes.subarray(at, end) };
    at = end;
  }
}
