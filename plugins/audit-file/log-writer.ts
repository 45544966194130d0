import { randomUUID } from "node:crypto";
import { open, rename, type FileHandle } from "node:fs/promises";
import { basename, join } from "node:path";
import { formatChainLine, type AuditEntry, type AuditFeed, type Clock, type Log } from "@busbar/core";
import type { AuditFileConfig } from "./config.ts";
import { writeHead } from "./head-file.ts";
import type { KeyRing } from "./key-ring.ts";
import { logFileName } from "./log-files.ts";
import type { LogState } from "./open-log.ts";
import { findOutdated, removeOutdated, type Outdated } from "./retention.ts";
import { syncFolder } from "./sync-folder.ts";

/** What a writer works with. */
export interface LogWriterOptions {
  readonly config: AuditFileConfig;
  /** Absolute. */
  readonly folder: string;
  readonly headFile: string;
  readonly ring: KeyRing;
  readonly state: LogState;
  readonly feed: AuditFeed;
  readonly clock: Clock;
  readonly log: Log;
}

/** Entries that are hashed and written at once: some 2 ms of work, 150 KiB. */
const pageSize = 500;
/** Pages before the disk is asked to keep what it has. */
const pagesPerSync = 20;
/** Milliseconds between two looks for files that are too old. */
const retentionInterval = 3_600_000;

/** Lines that wait to be on the disk; `file`: they begin a new one. */
interface Page {
  readonly entries: readonly AuditEntry[];
  /** Where the chain was before them. */
  readonly before: { readonly seq: number; readonly hash: string; readonly key: string };
  readonly bytes: Buffer;
  readonly file: string | undefined;
}

/** Appends to a log: takes entries from the feed, chains them, writes them in order and syncs. One `turn` at a time. */
export class LogWriter {
  readonly #options: LogWriterOptions;
  readonly #source: string;
  #ring: KeyRing;
  #key: string;
  #seq: number;
  #hash: string;
  /** Entries of the log about itself: they go first. */
  #own: AuditEntry[] = [];
  /** Entries that are to be chained once more. */
  #again: readonly AuditEntry[] | undefined;
  #page: Page | undefined;
  #handle: FileHandle | undefined;
  /** The file that is written to, and, where it is new, whether it has been made. */
  #path: string | undefined;
  #opened: string | undefined;
  #began: number;
  /** Bytes of the file that are ours. */
  #size: number;
  /** Whether a write has failed, so that behind our bytes there may be a piece of what comes next. */
  #ragged = false;
  #dirty = false;
  /** The newest entry of which the head file knows. */
  #head = -1;
  #synced: { readonly seq: number; readonly hash: string };
  /** Which file was the newest when retention last looked, and when that was. */
  #looked: string | undefined = "";
  #lookedAt = 0;
  /** Files that go once the entry that says so, or one after it, is on the disk. */
  #removing: { readonly outdated: Outdated; after: number } | undefined;

  constructor(source: string, options: LogWriterOptions) {
    const { state, ring } = options;
    this.#source = source;
    this.#options = options;
    this.#ring = ring;
    this.#key = state.seq === 0 ? ring.current : state.key;
    this.#seq = state.seq;
    this.#hash = state.hash;
    this.#synced = { seq: state.seq, hash: state.hash };
    this.#path = state.file?.path;
    this.#size = state.file?.size ?? 0;
    this.#began = state.file?.began ?? 0;
    for (const { what, text } of state.damages) this.#say("audit-damaged", { what, text });
    this.useKeys(ring);
  }

  /** The newest entry that is on the disk. */
  get synced(): { readonly seq: number; readonly hash: string } {
    return this.#synced;
  }

  /** Goes on with other keys: an entry, made with the former key, says which. */
  useKeys(ring: KeyRing): void {
    const former = this.#ring.digests.get(this.#key);
    this.#ring = former === undefined || ring.digests.has(this.#key) ? ring : { current: ring.current, digests: new Map([...ring.digests, [this.#key, former]]) };
    if (this.#key !== ring.current && this.#own.every(({ action }) => action !== "audit-key")) this.#say("audit-key", { key: ring.current, was: this.#key });
  }

  /** Writes and syncs what waits. @throws a system error when the disk takes nothing: nothing is lost by it, the next turn begins with the same. */
  async turn(): Promise<void> {
    if (this.#head < 0) await this.#writeHead(); // or a log that was killed young would seem to have lost its head
    for (let pages = 0; pages < pagesPerSync; pages++) {
      this.#page ??= this.#compose();
      if (this.#page === undefined) break;
      await this.#write(this.#page);
      this.#page = undefined;
    }
    if (this.#dirty) {
      const last = { seq: this.#seq, hash: this.#hash };
      await this.#handle!.datasync();
      this.#dirty = false;
      this.#synced = last;
    }
    if (this.#synced.seq !== this.#head) await this.#writeHead();
    await this.#retain();
  }

  /** Whether anything waits. */
  get behind(): boolean {
    return this.#page !== undefined || this.#own.length > 0 || this.#again !== undefined || this.#options.feed.waiting > 0;
  }

  /** Closes the file. */
  async close(): Promise<void> {
    await this.#handle?.close();
    this.#handle = undefined;
  }

  #say(action: string, fields: AuditEntry["fields"]): void {
    this.#own.push({ time: this.#options.clock.now(), action, source: this.#source, fields });
  }

  #compose(): Page | undefined {
    const { config, feed, clock } = this.#options;
    const entries = this.#own.length > 0 ? this.#own.splice(0) : (this.#again ?? feed.take(pageSize));
    if (entries === this.#again) this.#again = undefined;
    if (entries.length === 0) return undefined;
    const before = { seq: this.#seq, hash: this.#hash, key: this.#key };
    let text = "";
    let file: string | undefined;
    if (this.#path === undefined || this.#size >= config.fileSize || clock.now() - this.#began >= config.fileAge) {
      this.#path = file = join(this.#options.folder, logFileName(this.#seq + 1));
      this.#began = clock.now();
      text = this.#line({ time: this.#began, action: "audit-file", source: this.#source, fields: { version: 1, key: this.#key } });
    }
    for (const entry of entries) {
      text += this.#line(entry);
      if (entry.action === "audit-key") this.#key = this.#ring.current;
      if (entry.action === "audit-removed" && this.#removing) this.#removing.after = this.#seq;
    }
    return { entries, before, bytes: Buffer.from(text, "latin1"), file };
  }

  #line(entry: AuditEntry): string {
    const digest = this.#ring.digests.get(this.#key) ?? this.#ring.digests.get(this.#ring.current)!;
    const { line, hash } = formatChainLine(entry, { seq: this.#seq + 1, prev: this.#hash }, digest);
    this.#seq++;
    this.#hash = hash;
    return line;
  }

  async #write(page: Page): Promise<void> {
    const { bytes, file } = page;
    if (file !== undefined && file !== this.#opened) await this.#begin(file);
    this.#handle ??= await open(this.#path!, "r+").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    });
    const { size, nlink } = (await this.#handle?.stat()) ?? { size: 0, nlink: 0 };
    if (nlink === 0) return await this.#leave(page, "it was removed");
    if (size < this.#size || (size > this.#size && !this.#ragged)) return await this.#leave(page, `it has ${size} bytes instead of ${this.#size}`);
    this.#ragged = true;
    for (let at = 0; at < bytes.length; ) at += (await this.#handle!.write(bytes, at, bytes.length - at, this.#size + at)).bytesWritten;
    this.#ragged = false;
    this.#size += bytes.length;
    this.#dirty = true;
  }

  /** The next file. One that is there already is none of ours. */
  async #begin(file: string): Promise<void> {
    if (this.#dirty) await this.#handle!.datasync();
    this.#dirty = false;
    await this.close();
    const create = (): Promise<FileHandle> => open(file, "wx+", 0o600);
    this.#handle = await create().catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
      await rename(file, `${file}.bad-${randomUUID().slice(0, 8)}`);
      return await create();
    });
    this.#opened = file;
    this.#size = 0;
    this.#ragged = false;
    await syncFolder(this.#options.folder);
  }

  /** Somebody else has been at the file: it stays as it is, as evidence, and the log goes on in a new one. */
  async #leave({ entries, before }: Page, state: string): Promise<void> {
    const text = `${basename(this.#path!)} was changed by somebody else while the gateway ran: ${state}`;
    this.#options.log.error("The audit log was tampered with", { text });
    await this.close();
    this.#seq = before.seq;
    this.#hash = before.hash;
    this.#key = before.key;
    this.#path = this.#opened = undefined;
    this.#dirty = false;
    this.#again = entries;
    this.#say("audit-damaged", { what: "edited", text });
  }

  async #writeHead(): Promise<void> {
    const key = this.#ring.digests.has(this.#key) ? this.#key : this.#ring.current;
    await writeHead(this.#options.headFile, this.#synced, { key, digest: this.#ring.digests.get(key)! });
    this.#head = this.#synced.seq;
  }

  /** Removes files that are too old, or too much, once an entry that says so is on the disk. */
  async #retain(): Promise<void> {
    const { clock, folder, config, log } = this.#options;
    if (this.#removing !== undefined) {
      if (this.#synced.seq < this.#removing.after) return;
      const { outdated } = this.#removing;
      this.#removing = undefined;
      await removeOutdated(outdated, folder);
      log.info("Files of the audit log were removed", { files: outdated.files.length, entries: outdated.last });
      return;
    }
    if (this.#looked === this.#opened && clock.now() - this.#lookedAt < retentionInterval) return;
    this.#looked = this.#opened;
    this.#lookedAt = clock.now();
    const outdated = await findOutdated(folder, { keep: config.keep, maxSize: config.maxSize, now: clock.now() });
    if (outdated === undefined) return;
    const { files, first, last, hash, reason } = outdated;
    this.#removing = { outdated, after: Infinity };
    this.#say("audit-removed", { files: files.length, first, last, lastHash: hash, reason });
  }
}
