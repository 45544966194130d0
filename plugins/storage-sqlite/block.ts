import { crc32 } from "node:zlib";
import { clearFlag, entryFlags, entryReceived, entrySize, entryTime, entryTopic, retainFlag } from "./entry-layout.ts";
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

/** The entries of a block as they were written. @throws {StorageFault} IO, not retryable, when the checksum says otherwise. */
export function blockBody(block: Pick<Block, "first" | "last" | "crc" | "body">, epoch: string): Buffer {
  if (!isWhole(block, epoch)) throw damaged(block.first, block.last);
  return toBuffer(block.body);
}

/** Whether a block has the checksum it was written with. */
export function isWhole(block: Pick<Block, "first" | "crc" | "body">, epoch: string): boolean {
  return checksum(block.body, block.first, epoch) === block.crc;
}

/** What is thrown for entries that cannot be had any more. */
export function damaged(first: number, last: number): StorageFault {
  return new StorageFault("IO", `Cannot read offsets ${first} to ${last} of the journal: they are not as they were written`, { retryable: false });
}

/** The same bytes as a Buffer. */
export const toBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** The seed ties a block to its journal and its place in it. */
const checksum = (body: Uint8Array, first: number, epoch: string): number => crc32(body, crc32(`${epoch} ${first}`));
