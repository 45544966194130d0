import { crc32 } from "node:zlib";
import { clearFlag, entryFlags, entryReceived, entrySize, entryTime, entryTopic, headerSize, retainFlag } from "./entry-layout.ts";
import { StorageFault } from "./storage-fault.ts";

/** Consecutive entries as one row of the journal. */
export interface Block {
  /** Offset of its last entry: its key. */
  readonly last: number;
  readonly first: number;
  /** The smallest and the largest source time in it, ms since the Unix epoch. */
  readonly min_time: number;
  readonly max_time: number;
  /** The latest arrival in it, ms since the Unix epoch. */
  readonly received: number;
  readonly crc: number;
  readonly body: Uint8Array;
}

/** A retained message among entries. */
export interface RetainedEntry {
  readonly offset: number;
  /** The entry, or undefined where its topic is cleared. */
  readonly bytes: Buffer | undefined;
}

/** Entries of a block together are at most this long, unless it is one entry. */
export const blockBytes = 64 * 1024;

/** Splits packed entries into blocks, the first entry having the offset `first`; the last retained message of each topic goes to `retained`. */
export function splitBlocks(bytes: Buffer, first: number, options: { readonly epoch: string; readonly retained?: Map<string, RetainedEntry> }): Block[] {
  const blocks: Block[] = [];
  let last = first - 1;
  for (let start = 0, at = 0; start < bytes.length; start = at) {
    const blockFirst = last + 1;
    let [minTime, maxTime, received] = [Number.POSITIVE_INFINITY, 0, 0];
    while (at < bytes.length && (at === start || at - start + entrySize(bytes, at) <= blockBytes)) {
      last++;
      const time = entryTime(bytes, at);
      minTime = Math.min(minTime, time);
      maxTime = Math.max(maxTime, time);
      received = Math.max(received, entryReceived(bytes, at));
      const flags = entryFlags(bytes, at);
      const end = at + entrySize(bytes, at);
      if (flags & retainFlag) options.retained?.set(entryTopic(bytes, at), { offset: last, bytes: flags & clearFlag ? undefined : bytes.subarray(at, end) });
      at = end;
    }
    const body = bytes.subarray(start, at);
    blocks.push({ last, first: blockFirst, min_time: minTime, max_time: maxTime, received, crc: checksum(body, blockFirst, options.epoch), body });
  }
  return blocks;
}

/** Whether a block is as it was written. Its columns may be of any type: nothing of a damaged file is to be trusted. */
export function isWhole(block: Pick<Block, "first" | "last" | "crc" | "body">, epoch: string): boolean {
  const { first, last, crc, body } = block;
  return body instanceof Uint8Array && Number.isSafeInteger(last) && checksum(body, first, epoch) === crc && countEntries(toBuffer(body)) === last - first + 1;
}

/** Whether bytes can be one entry of that topic: what has no checksum of its own is at least not misread. */
export function isEntry(bytes: Buffer, topic: string): boolean {
  return bytes.length >= headerSize && entrySize(bytes, 0) === bytes.length && entryTopic(bytes, 0) === topic;
}

/** What is thrown for entries that cannot be had any more. */
export function damaged(first: number, last: number): StorageFault {
  return new StorageFault("DAMAGED", `Cannot read offsets ${first} to ${last} of the journal: they are not as they were written`, { retryable: false, resumeAfter: last });
}

function countEntries(bytes: Buffer): number {
  let count = 0;
  for (let at = 0; at < bytes.length; at += entrySize(bytes, at)) count++;
  return count;
}

/** The same bytes as a Buffer. */
export const toBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** The seed ties a block to its journal and its place in it. */
const checksum = (body: Uint8Array, first: number, epoch: string): number => crc32(body, crc32(`${epoch} ${first}`));
