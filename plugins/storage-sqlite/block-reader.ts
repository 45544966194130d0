import { damaged, isWhole, toBuffer, type Block } from "./block.ts";
import { entrySize, entryTime, entryTopic } from "./entry-layout.ts";
import type { EntrySeal } from "./entry-seal.ts";

/** What a reader wants of the file. */
export interface BlockQuery {
  readonly after: number;
  readonly limit: number;
  /** Only topics that match (`topicExpression`). */
  readonly topics?: RegExp | undefined;
  /** The types of all topics that match; undefined where these may be any. */
  readonly types?: readonly string[] | undefined;
  /** Only messages whose source time lies in `[since, until)`, ms since the Unix epoch. */
  readonly since?: number | undefined;
  readonly until?: number | undefined;
}

/** Entries packed for `unpackEntries`, and the offset up to which they are all that match. */
export interface PackedPage {
  readonly buffer: ArrayBuffer;
  readonly count: number;
  readonly until: number;
  /** Offsets of entries that are left out, as their encrypted fields are not as they were written; only of a page that cannot end before them. */
  readonly broken?: readonly number[];
}

/** A page ends when it has so many bytes, whatever its limit: appends wait for it. */
const pageBytes = 4 * 1024 * 1024;
/** A page ends when it took so many milliseconds. */
export const pageMs = 10;

/** Tells whether the entry at `at` of some bytes is one that a query is for. */
export function entryMatcher({ topics, since = 0, until = Number.MAX_SAFE_INTEGER }: BlockQuery): (bytes: Buffer, at: number) => boolean {
  const known = new Map<string, boolean>();
  return (bytes, at) => {
    const time = entryTime(bytes, at);
    if (time < since || time >= until) return false;
    if (topics === undefined) return true;
    const topic = entryTopic(bytes, at);
    let hit = known.get(topic);
    if (hit === undefined) known.set(topic, (hit = topics.test(topic)));
    return hit;
  };
}

/**
 * Reads a page from `blocks`: those with entries after `query.after`, in order, only as many as it takes. `bounds`: the oldest and the newest offset of the journal.
 * @throws {StorageFault} DAMAGED when what comes next is damaged or missing, saying up to where.
 */
export function readBlocks(blocks: Iterable<Block>, query: BlockQuery, options: { readonly epoch: string; readonly oldest: number; readonly newest: number; readonly seal: EntrySeal }): PackedPage {
  const { after, limit, since = 0, until = Number.MAX_SAFE_INTEGER } = query;
  const page = new Page(options.seal);
  const wanted = entryMatcher(query);
  let upTo = after;
  /** The end of what is lost right after `after`, once something is. */
  let lost: number | undefined;
  const end = performance.now() + pageMs;
  for (const block of blocks) {
    const reads = block.max_time >= since && block.min_time < until;
    const whole = !reads || isWhole(block, options.epoch);
    const gap = block.first > Math.max((lost ?? upTo) + 1, options.oldest);
    if (lost !== undefined || gap || !whole) {
      if (upTo > after) return page.pack(upTo); // the next page begins with what is lost and says so
      if (whole) throw damaged(after + 1, gap ? block.first - 1 : lost!);
      lost = block.last;
      if (performance.now() > end) throw damaged(after + 1, lost);
      continue;
    }
    if (reads) {
      const bytes = toBuffer(block.body);
      for (let at = 0, offset = block.first; at < bytes.length; at += entrySize(bytes, at), offset++) {
        if (offset <= after || !wanted(bytes, at)) continue;
        if (!page.add(offset, bytes.subarray(at, at + entrySize(bytes, at)))) return page.endBefore(offset, after);
        if (page.isFull(limit)) return page.pack(offset);
      }
    }
    upTo = block.last;
    if (performance.now() > end) return page.pack(upTo);
  }
  if (upTo === after && after < options.newest) throw damaged(after + 1, options.newest); // nothing follows what is lost
  return page.pack(upTo);
}

/** Entries on their way to the main thread, decrypted. */
export class Page {
  readonly #seal: EntrySeal;
  readonly #found: (readonly [offset: number, bytes: Buffer])[] = [];
  size = 0;

  constructor(seal: EntrySeal) {
    this.#seal = seal;
  }

  get count(): number {
    return this.#found.length;
  }

  /** Whether it has `limit` entries, or is as large as a page may be. */
  isFull(limit: number): boolean {
    return this.count === limit || this.size >= pageBytes;
  }

  /** False when the encrypted fields of the entry are not as they were written: it is not in the page then. */
  add(offset: number, entry: Buffer): boolean {
    const opened = this.#seal.open(entry);
    if (!opened) return false;
    this.#found.push([offset, opened]);
    this.size += 8 + opened.length;
    return true;
  }

  /** The page up to before an entry that could not be added; `after` is where it begins. @throws {StorageFault} DAMAGED when that entry is the first. */
  endBefore(offset: number, after: number): PackedPage {
    if (offset - 1 > after) return this.pack(offset - 1);
    throw damaged(offset, offset);
  }

  pack(until: number): PackedPage {
    const buffer = new ArrayBuffer(this.size);
    const bytes = Buffer.from(buffer);
    let at = 0;
    for (const [offset, entry] of this.#found) {
      bytes.writeDoubleLE(offset, at);
      at += 8 + entry.copy(bytes, at + 8);
    }
    return { buffer, count: this.count, until };
  }
}
