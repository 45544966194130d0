import { existsSync, readFileSync } from "node:fs";

/** Bytes of a page: what SQLite gives a new database, so what ours have. */
export const pageSize = 4096;
const headerSize = 32;
const frameSize = 24 + pageSize;

/** What a write-ahead log holds (sqlite.org/fileformat2.html#the_write_ahead_log). */
export interface Wal {
  /** The newest committed image of each page, by page number from 1. */
  readonly pages: ReadonlyMap<number, Buffer>;
  /** Pages of the database after the last commit; undefined when there is none in the log. */
  readonly pageCount: number | undefined;
  /** Images of the same generation behind what is committed: where the log is damaged, or where a transaction was cut short. */
  readonly tail: ReadonlyMap<number, Buffer>;
}

/** Reads the log at `path` as SQLite would, and what it would drop besides. A log that is missing or empty holds nothing. */
export function readWal(path: string): Wal {
  const pages = new Map<number, Buffer>();
  const tail = new Map<number, Buffer>();
  const bytes = existsSync(path) ? readFileSync(path) : Buffer.alloc(0);
  if (bytes.length < headerSize + frameSize) return { pages, pageCount: undefined, tail };
  const sum = createSum((bytes.readUInt32BE(0) & 1) === 1);
  sum.add(bytes, 0, 24);
  const headed = bytes.readUInt32BE(0) >>> 1 === 0x377f0682 >>> 1 && bytes.readUInt32BE(8) === pageSize && sum.is(bytes, 24);
  // the salts name the generation; what an earlier one left behind the end has others
  const salts = headed ? bytes.subarray(16, 24) : bytes.subarray(headerSize + 8, headerSize + 16);
  let pageCount: number | undefined;
  let valid = headed;
  let open = new Map<number, Buffer>();
  for (let at = headerSize; at + frameSize <= bytes.length; at += frameSize) {
    const ours = bytes.compare(salts, 0, 8, at + 8, at + 16) === 0;
    if (valid) {
      sum.add(bytes, at, 8);
      sum.add(bytes, at + 24, pageSize);
      valid = ours && sum.is(bytes, at + 16);
    }
    const page = bytes.subarray(at + 24, at + frameSize);
    if (valid) {
      open.set(bytes.readUInt32BE(at), page);
      if (bytes.readUInt32BE(at + 4) === 0) continue;
      for (const [number, image] of open) pages.set(number, image);
      open = new Map();
      pageCount = bytes.readUInt32BE(at + 4);
    } else {
      for (const [number, image] of open) tail.set(number, image);
      open = new Map();
      if (ours) tail.set(bytes.readUInt32BE(at), page);
    }
  }
  for (const [number, image] of open) tail.set(number, image);
  return { pages, pageCount, tail };
}

/** The running checksum of a log, over words of 32 bits in either order of bytes. */
function createSum(bigEndian: boolean): { add(bytes: Buffer, at: number, length: number): void; is(bytes: Buffer, at: number): boolean } {
  let [one, two] = [0, 0];
  return {
    add(bytes, start, length) {
      for (let at = start; at < start + length; at += 8) {
        one = (one + (bigEndian ? bytes.readInt32BE(at) : bytes.readInt32LE(at)) + two) | 0;
        two = (two + (bigEndian ? bytes.readInt32BE(at + 4) : bytes.readInt32LE(at + 4)) + one) | 0;
      }
    },
    is: (bytes, at) => bytes.readInt32BE(at) === one && bytes.readInt32BE(at + 4) === two,
  };
}
