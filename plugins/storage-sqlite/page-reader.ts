import { closeSync, existsSync, fstatSync, openSync, readSync } from "node:fs";
import { pageSize, readWal, type Wal } from "./wal-reader.ts";

/** The pages of a database file with its write-ahead log laid over it, read without SQLite: nothing is changed, and nothing but the page asked for must be sound. */
export class PageReader {
  readonly wal: Wal;
  /** Whole pages in the file itself. */
  readonly filePages: number;
  #file: number | undefined;

  /** Opens the database at `path`, which may be missing, with the log at `wal`. @throws {Error} of node:fs when it cannot be read. */
  constructor(path: string, wal = path + "-wal") {
    this.wal = readWal(wal);
    this.#file = existsSync(path) ? openSync(path, "r") : undefined;
    this.filePages = this.#file === undefined ? 0 : Math.floor(fstatSync(this.#file).size / pageSize);
  }

  /** Pages there are: the larger of what file and log say, as either may be wrong. */
  get count(): number {
    return Math.max(this.filePages, this.wal.pageCount ?? 0);
  }

  /** The committed image of a page, from 1; undefined when there is no such page. Owned by the caller. */
  page(number: number): Buffer | undefined {
    const image = this.wal.pages.get(number);
    if (image !== undefined) return image;
    if (this.#file === undefined || !(number >= 1 && number <= this.filePages)) return undefined;
    const page = Buffer.allocUnsafe(pageSize);
    try {
      return readSync(this.#file, page, 0, pageSize, (number - 1) * pageSize) === pageSize ? page : undefined;
    } catch {
      return undefined; // a sector that cannot be read is a page that is not there
    }
  }

  /** As `page`, with what the log holds behind its last commit laid over that. */
  tailPage(number: number): Buffer | undefined {
    return this.wal.tail.get(number) ?? this.page(number);
  }

  /** Closing twice does nothing. */
  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }
}
