import { closeSync, fdatasyncSync, openSync, readFileSync, writeSync } from "node:fs";
import { crc32 } from "node:zlib";

/** The newest offset that was acknowledged, and the journal that it is of. */
export interface AckRecord {
  readonly epoch: string;
  readonly last: number;
}

/*
 * 0 "BBA1" · 4 f64 little endian, the offset · 12 36 bytes, the epoch · 48 u32 CRC-32 of what lies before: less than a sector, so that no power cut leaves half of it.
 */
const recordSize = 52;
const magic = "BBA1";

/**
 * The file beside the journal that says how far it was acknowledged. SQLite drops the end of a damaged write-ahead log without a word: only this file can tell. It is written after
 * each commit and not synced, so it may say less than the journal holds, and more only when the journal has lost something.
 */
export class AckFile {
  #file: number | undefined;
  readonly #record = Buffer.alloc(recordSize);
  /** Why it could not be written, once it could not. */
  error: string | undefined;

  /** Opens or makes the file at `path`. @throws {Error} of node:fs when it cannot. */
  constructor(path: string, epoch: string) {
    closeSync(openSync(path, "a", 0o600)); // makes it; what it says stays until the first `write`
    this.#file = openSync(path, "r+");
    this.#record.write(magic, "latin1");
    this.#record.write(epoch, 12, 36, "latin1");
  }

  /** Says that everything up to `last` is acknowledged. */
  write(last: number): void {
    this.#record.writeDoubleLE(last, 4);
    this.#record.writeUInt32LE(crc32(this.#record.subarray(0, 48)), 48);
    this.#try((file) => void writeSync(file, this.#record, 0, recordSize, 0));
  }

  /** Puts it on disk. */
  sync(): void {
    this.#try((file) => fdatasyncSync(file));
  }

  /** Puts it on disk and closes it; closing twice does nothing. */
  close(): void {
    this.sync();
    this.#try((file) => closeSync(file));
    this.#file = undefined;
  }

  /** What is committed stays so whatever becomes of this file: it is then only not noticed when it gets lost later. */
  #try(work: (file: number) => void): void {
    if (this.#file === undefined) return;
    try {
      work(this.#file);
    } catch (error) {
      this.error ??= String(error);
    }
  }
}

/** What the file at `path` says; undefined when there is none or it is not as it was written. */
export function readAck(path: string): AckRecord | undefined {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  if (bytes.length < recordSize || bytes.toString("latin1", 0, 4) !== magic || crc32(bytes.subarray(0, 48)) !== bytes.readUInt32LE(48)) return undefined;
  return { epoch: bytes.toString("latin1", 12, 48), last: bytes.readDoubleLE(4) };
}
