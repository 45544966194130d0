import type { DatabaseSync, StatementSync } from "node:sqlite";
import { AckFile } from "./ack-file.ts";
import { isEntry, splitBlocks, toBuffer, type Block, type RetainedEntry } from "./block.ts";
import { Page, readBlocks, type BlockQuery, type PackedPage } from "./block-reader.ts";
import { walkBlocks } from "./block-rows.ts";
import type { BlockSummary } from "./block-summary.ts";
import { prepareBlockWriter, type BlockWriter } from "./block-writer.ts";
import { Connection } from "./connection.ts";
import { checkpoint, purge, usedBytes, type ConnectionOptions } from "./database-file.ts";
import type { EntrySeal } from "./entry-seal.ts";
import { JournalSealing } from "./journal-sealing.ts";
import { findMergeable, findRemovable, type JournalRetention } from "./journal-retention.ts";
import { requestSalvage } from "./open-or-salvage.ts";
import { readSummarized } from "./summary-reader.ts";
import { toStorageError } from "./sqlite-error.ts";
import { StorageFault } from "./storage-fault.ts";

/** The oldest and newest offset; `first > last` when there is none. */
export interface Bounds {
  readonly first: number;
  readonly last: number;
}

/** What one step of retention did. */
export interface JournalRetentionStep {
  readonly removed: number;
  /** Of these, entries that a cursor had not passed. */
  readonly forced: number;
  /** How many of these each reader lost, by its name. */
  readonly readers: Readonly<Record<string, number>>;
  readonly bytes: number;
  /** Whether there is more to do now. */
  readonly more: boolean;
  readonly bounds: Bounds;
}

interface Statements {
  readonly blocks: BlockWriter;
  readonly after: StatementSync;
  readonly block: StatementSync;
  readonly summaries: StatementSync;
  readonly keep: StatementSync;
  readonly forget: StatementSync;
  readonly setCursor: StatementSync;
  readonly dropCursor: StatementSync;
  readonly setMeta: StatementSync;
}

/** What a journal's file holds when it is opened. */
export interface JournalState extends Bounds {
  readonly epoch: string;
  /** The newest offset in its table; smaller than `last` where entries are lost, null when it holds none. */
  readonly end: number | null;
  readonly cursors: ReadonlyMap<string, number>;
}

/** Bytes appended between two checkpoints, unless the options say otherwise. */
const defaultCheckpointBytes = 8 * 1024 * 1024;

/** The journal's file, on the thread that owns it: everything here is synchronous. */
export class JournalFile {
  readonly epoch: string;
  readonly #path: string;
  readonly #connection: Connection<Statements>;
  readonly #ack: AckFile;
  #first: number;
  #last: number;
  /** The newest offset in the table: offsets that are lost lie beyond it. */
  #end: number | null;
  readonly #checkpointBytes: number;
  #sinceCheckpoint = 0;
  /** Everything up to this offset lies in blocks as large as they get. */
  #mergedUpTo = 0;
  readonly #cursors: Map<string, number>;
  readonly #seal: EntrySeal;
  /** The encryption of fields, and what is to be done about old entries. */
  readonly sealing: JournalSealing;

  /** Takes over a database and what was found in it; made by `openJournal`. */
  constructor(database: DatabaseSync, parts: { readonly path: string; readonly options: ConnectionOptions; readonly found: JournalState; readonly seal: EntrySeal }) {
    const { path, options, found, seal } = parts;
    const check = (reopened: DatabaseSync): void => {
      const { last } = reopened.prepare("select max(last) as last from block").get()!;
      if (last !== this.#end) throw new Error(`Cannot go on with the journal: it ends at ${String(last)}, what was acknowledged at ${this.#end}`);
    };
    this.#path = path;
    this.#checkpointBytes = options.checkpointBytes ?? defaultCheckpointBytes;
    this.#connection = new Connection(database, { path, ...options, prepare: (reopened) => prepare(reopened, found.epoch), check });
    this.epoch = found.epoch;
    this.#seal = seal;
    this.sealing = new JournalSealing(this.#connection, { seal, epoch: found.epoch });
    this.#first = found.first;
    this.#last = found.last;
    this.#end = found.end;
    this.#cursors = new Map(found.cursors);
    this.#ack = new AckFile(path + "-ack", this.epoch);
    this.#ack.write(this.#last);
    this.#ack.sync();
  }

  get bounds(): Bounds {
    return { first: this.#first, last: this.#last };
  }

  /** Why the file that says what is acknowledged could not be written, once it could not. */
  get ackError(): string | undefined {
    return this.#ack.error;
  }

  /** Bytes of the file that hold something. */
  get bytes(): number {
    return usedBytes(this.#connection.database);
  }

  /**
   * Appends the entries packed in `bytes` in one transaction. Returns the offset of the first.
   * @throws {StorageFault} OVERLOAD when the disk or the limit is full, IO when writing fails: nothing is then appended.
   */
  append(bytes: Buffer): number {
    const first = this.#last + 1;
    const retained = new Map<string, RetainedEntry>();
    const sealed = this.#seal.seal(bytes);
    const blocks = splitBlocks(sealed, first, { epoch: this.epoch, retained });
    this.#connection.change("append to the journal", (statements) => {
      const { keep, forget } = statements;
      for (const block of blocks) statements.blocks.write(block);
      for (const [topic, entry] of retained) {
        if (entry.bytes) keep.run(topic, entry.offset, entry.bytes);
        else forget.run(topic);
      }
    });
    this.#end = this.#last = blocks.at(-1)!.last;
    this.#ack.write(this.#last);
    this.#sinceCheckpoint += sealed.length + 4096;
    return first;
  }

  /** Says that so many bytes were written by others than `append`: they are due for a checkpoint, too. */
  wrote(bytes: number): void {
    this.#sinceCheckpoint += bytes;
  }

  /** Moves the log into the file when enough has gathered there; called between two messages, so that no append waits for it inside its commit. */
  checkpointIfDue(): void {
    if (this.#sinceCheckpoint < this.#checkpointBytes || !this.#connection.live) return;
    this.#connection.guard("checkpoint the journal", (database) => checkpoint(database, "passive"));
    this.#ack.sync();
    this.#sinceCheckpoint = 0;
  }

  /**
   * The next entries that match. May have fewer than `limit` before the end: see `until`.
   * @throws {StorageFault} UNKNOWN_OFFSET as Journal.read; DAMAGED when what comes next is damaged, without `resumeAfter` when the file as a whole is.
   */
  read(query: BlockQuery): PackedPage {
    const { after } = query;
    if (after < this.#first - 1) throw new StorageFault("UNKNOWN_OFFSET", `Cannot read after offset ${after}: the oldest that is left is ${this.#first}`, { resumeAfter: this.#first - 1 });
    if (after > this.#last) throw new StorageFault("UNKNOWN_OFFSET", `Cannot read after offset ${after}: the newest is ${this.#last}`);
    const { statements } = this.#connection;
    const journal = { epoch: this.epoch, oldest: this.#first, newest: this.#last, seal: this.#seal };
    const plain = (): PackedPage => readBlocks(walkBlocks(statements.after, after), query, journal);
    try {
      const { types } = query;
      if (types === undefined) return plain();
      const block = (last: number): Block | undefined => statements.block.get(last) as Block | undefined;
      return readSummarized({ ...query, types }, { ...journal, summaries: walkBlocks<BlockSummary>(statements.summaries, after), block, plain });
    } catch (error) {
      throw toStorageError(error, "read the journal");
    }
  }

  /** The last retained message of each topic, in order of offset. */
  retained(): PackedPage {
    const page = new Page(this.#seal);
    const broken: number[] = [];
    for (const { topic, offset, body } of this.#connection.database.prepare("select topic, offset, body from retained order by offset").all()) {
      if (body instanceof Uint8Array && isEntry(toBuffer(body), String(topic)) && !page.add(offset as number, toBuffer(body))) broken.push(offset as number);
    }
    return { ...page.pack(this.#last), broken };
  }

  /** Where the reader `name` stands. */
  cursor(name: string): number | undefined {
    return this.#cursors.get(name);
  }

  /** Every reader and where it stands. */
  get cursors(): ReadonlyMap<string, number> {
    return this.#cursors;
  }

  /** Sets a cursor. Not synced by itself: after a power cut the reader repeats a little. */
  moveCursor(name: string, offset: number): void {
    this.#connection.change("move a cursor", ({ setCursor }) => setCursor.run(name, offset), false);
    this.#cursors.set(name, offset);
  }

  /** Forgets a cursor. */
  dropCursor(name: string): void {
    this.#connection.change("drop a cursor", ({ dropCursor }) => dropCursor.run(name), false);
    this.#cursors.delete(name);
  }

  /** Removes the oldest blocks and merges small ones, a few at a time. Call it again while there is `more`. */
  retain(limits: JournalRetention): JournalRetentionStep {
    const { database } = this.#connection;
    const { upTo, forced, more } = findRemovable(database, limits, { first: this.#first, bytes: this.bytes, needed: Math.min(Number.POSITIVE_INFINITY, ...this.#cursors.values()) });
    const removed = upTo - this.#first + 1;
    const readers = Object.fromEntries([...this.#cursors].map(([name, offset]) => [name, upTo - Math.max(offset, this.#first - 1)] as const).filter(([, count]) => count > 0));
    if (removed > 0) {
      const change = ({ blocks, setMeta }: Statements): void => {
        blocks.remove(0, upTo);
        setMeta.run("last", String(this.#last));
        setMeta.run("first", String(upTo + 1));
      };
      this.#connection.change("remove from the journal", change, false);
      this.#first = upTo + 1;
      if (this.#end !== null && upTo >= this.#end) this.#end = null;
    }
    return { removed, forced, readers, bytes: this.bytes, more: this.#merge() || more, bounds: this.bounds };
  }

  /** Has the file salvaged when it is opened next. */
  requestSalvage(): void {
    requestSalvage(this.#path);
  }

  /** Makes the file anew, without what was removed from it or written over. Takes as much room again, twice. */
  purge(): void {
    this.#connection.guard("make the journal anew", purge);
  }

  /** Moves everything into the one file and closes it. */
  close(): void {
    this.#connection.close();
    this.#ack.close();
  }

  #merge(): boolean {
    const { run, upTo, more } = findMergeable(this.#connection.database, this.#mergedUpTo, this.epoch);
    if (run) {
      const blocks = splitBlocks(run.bytes, run.first, { epoch: this.epoch });
      const change = (statements: Statements): void => {
        statements.blocks.remove(run.first, run.last);
        for (const block of blocks) statements.blocks.write(block);
      };
      try {
        this.#connection.change("merge blocks of the journal", change, false);
      } catch (error) {
        if (error instanceof StorageFault && error.code === "OVERLOAD") return false; // a full disk: what was removed stands, and merging has time
        throw error;
      }
      this.#sinceCheckpoint += run.bytes.length * 2;
    }
    this.#mergedUpTo = upTo;
    return more;
  }
}

function prepare(database: DatabaseSync, epoch: string): Statements {
  return {
    blocks: prepareBlockWriter(database, epoch),
    after: database.prepare("select last, first, min_time, max_time, crc, body from block where last > ? order by last limit ?"),
    block: database.prepare("select last, first, min_time, max_time, crc, body from block where last = ?"),
    summaries: database.prepare("select last, first, types, crc, noted from summary where last > ? order by last limit ?"),
    keep: database.prepare("insert into retained (topic, offset, body) values (?, ?, ?) on conflict (topic) do update set offset = excluded.offset, body = excluded.body"),
    forget: database.prepare("delete from retained where topic = ?"),
    setCursor: database.prepare("insert into cursor (name, offset) values (?, ?) on conflict (name) do update set offset = excluded.offset"),
    dropCursor: database.prepare("delete from cursor where name = ?"),
    setMeta: database.prepare("insert into meta (name, value) values (?, ?) on conflict (name) do update set value = excluded.value"),
  };
}
