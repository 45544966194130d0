import { blockBody, damaged, type Block } from "./block.ts";
import { entrySize, entryTime, entryTopic } from "./entry-layout.ts";

/** What a reader wants of the file. */
export interface BlockQuery {
  readonly after: number;
  readonly limit: number;
  /** Only topics that match (`topicExpression`). */
  readonly topics?: RegExp | undefined;
  /** Only messages whose source time lies in `[since, until)`, ms since the Unix epoch. */
  readonly since?: number | undefined;
  readonly until?: number | undefined;
}

/** Entries packed for `unpackEntries`, and the offset up to which they are all that match. */
export interface PackedPage {
  readonly buffer: ArrayBuffer;
  readonly count: number;
  readonly until: number;
}

/** A page ends when it has so many bytes or took so long, whatever its limit: appends wait for it. */
const pageBytes = 4 * 1024 * 1024;
const pageMs = 10;

/**
 * Reads a page from `blocks`: those with entries after `query.after`, in order, only as many as it takes.
 * @throws {StorageFault} IO when a block is damaged or missing and nothing lies before it.
 */
export function readBlocks(blocks: Iterable<Block>, query: BlockQuery, options: { readonly epoch: string; readonly oldest: number }): PackedPage {
  const { after, limit, topics, since = 0, until = Number.MAX_SAFE_INTEGER } = query;
  const page = new Page();
  const known = new Map<string, boolean>();
  const wanted = (bytes: Buffer, at: number): boolean => {
    const time = entryTime(bytes, at);
    if (time < since || time >= until) return false;
    if (topics === undefined) return true;
    const topic = entryTopic(bytes, at);
    let hit = known.get(topic);
    if (hit === undefined) known.set(topic, (hit = topics.test(topic)));
    return hit;
  };
  let upTo = after;
  const end = performance.now() + pageMs;
  try {
    for (const block of blocks) {
      if (block.first > Math.max(upTo + 1, options.oldest)) throw damaged(upTo + 1, block.first - 1);
      if (block.max_time >= since && block.min_time < until) {
        const bytes = blockBody(block, options.epoch);
        for (let at = 0, offset = block.first; at < bytes.length; at += entrySize(bytes, at), offset++) {
          if (offset <= after || !wanted(bytes, at)) continue;
          page.add(offset, bytes.subarray(at, at + entrySize(bytes, at)));
          if (page.count === limit || page.size >= pageBytes) return page.pack(offset);
        }
      }
      upTo = block.last;
      if (performance.now() > end) break;
    }
  } catch (error) {
    if (upTo === after) throw error;
  }
  return page.pack(upTo); // up to what is damaged: the next page begins there and says so
}

/** Entries on their way to the main thread. */
export class Page {
  readonly #found: (readonly [offset: number, bytes: Buffer])[] = [];
  size = 0;

  get count(): number {
    return this.#found.length;
  }

  add(offset: number, entry: Buffer): void {
    this.#found.push([offset, entry]);
    this.size += 8 + entry.length;
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
