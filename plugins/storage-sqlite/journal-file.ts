import { randomUUID } from "node:crypto";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { blockBody, damaged, splitBlocks, toBuffer, type Block, type RetainedEntry } from "./block.ts";
import { Page, readBlocks, type BlockQuery, type PackedPage } from "./block-reader.ts";
import { Connection } from "./connection.ts";
import { checkpoint, openDatabaseFile, usedBytes, type ConnectionOptions } from "./database-file.ts";
import { findMergeable, findRemovable, type JournalRetention } from "./journal-retention.ts";
import { journalSchema } from "./schema-version.ts";
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
  readonly bytes: number;
  /** Whether there is more to do now. */
  readonly more: boolean;
  readonly bounds: Bounds;
}

interface Statements {
  readonly insert: StatementSync;
  readonly after: StatementSync;
  readonly keep: StatementSync;
  readonly forget: StatementSync;
  readonly setCursor: StatementSync;
  readonly dropCursor: StatementSync;
  readonly removeUpTo: StatementSync;
  readonly removeFrom: StatementSync;
  readonly setLast: StatementSync;
}

/** Bytes appended between two checkpoints. */
const checkpointBytes = 8 * 1024 * 1024;
/** Newest blocks that are checked when the file is opened. */
const tailBlocks = 64;

/** The journal's file, on the thread that owns it: everything here is synchronous. */
export class JournalFile {
  readonly epoch: string;
  readonly #connection: Connection<Statements>;
  #first = 1;
  #last = 0;
  #sinceCheckpoint = 0;
  /** Everything up to this offset lies in blocks as large as they get. */
  #mergedUpTo = 0;
  readonly #cursors = new Map<string, number>();

  /**
   * Opens or makes the file.
   * @throws {StorageFault} as `openDatabaseFile`; IO when the newest entries do not have the checksums they were written with.
   */
  static async open(path: string, options: ConnectionOptions): Promise<JournalFile> {
    const migrations = async () => (await import("./migrations.ts")).journalMigrations;
    const database = await openDatabaseFile(path, journalSchema, migrations, options);
    try {
      return new JournalFile(path, options, database);
    } catch (error) {
      database.close();
      throw toStorageError(error, `open "${path}"`);
    }
  }

  private constructor(path: string, options: ConnectionOptions, database: DatabaseSync) {
    const check = (reopened: DatabaseSync): void => {
      const last = reopened.prepare("select max(last) as last from block").get()!["last"];
      if (last !== null && last !== this.#last) throw new Error(`Cannot go on with the journal: it ends at ${String(last)}, what was acknowledged at ${this.#last}`);
    };
    this.#connection = new Connection(database, { path, ...options, prepare, check });
    database.prepare("insert or ignore into meta (name, value) values ('epoch', ?), ('last', '0')").run(randomUUID());
    const meta = (name: string): string => database.prepare("select value from meta where name = ?").get(name)!["value"] as string;
    this.epoch = meta("epoch");
    const ends = database.prepare("select (select first from block order by last limit 1) as first, (select max(last) from block) as last").get()!;
    this.#last = Math.max((ends["last"] as number | null) ?? 0, Number(meta("last")));
    this.#first = (ends["first"] as number | null) ?? this.#last + 1;
    for (const row of database.prepare("select name, offset from cursor").all()) this.#cursors.set(row["name"] as string, row["offset"] as number);
    this.#checkTail(database);
  }

  get bounds(): Bounds {
    return { first: this.#first, last: this.#last };
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
    const blocks = splitBlocks(bytes, first, { epoch: this.epoch, retained });
    this.#connection.change("append to the journal", ({ insert, keep, forget }) => {
      for (const block of blocks) insertBlock(insert, block);
      for (const [topic, entry] of retained) {
        if (entry.bytes) keep.run(topic, entry.offset, entry.bytes);
        else forget.run(topic);
      }
    });
    this.#last = blocks.at(-1)!.last;
    this.#sinceCheckpoint += bytes.length + 4096;
    return first;
  }

  /** Moves the log into the file when enough has gathered there; called between two messages, so that no append waits for it inside its commit. */
  checkpointIfDue(): void {
    if (this.#sinceCheckpoint < checkpointBytes || !this.#connection.live) return;
    this.#connection.guard("checkpoint the journal", (database) => checkpoint(database, "passive"));
    this.#sinceCheckpoint = 0;
  }

  /**
   * The next entries that match. May have fewer than `limit` before the end: see `until`.
   * @throws {StorageFault} UNKNOWN_OFFSET as Journal.read; IO when what comes next is damaged.
   */
  read(query: BlockQuery): PackedPage {
    const { after } = query;
    if (after < this.#first - 1) throw new StorageFault("UNKNOWN_OFFSET", `Cannot read after offset ${after}: the oldest that is left is ${this.#first}`);
    if (after > this.#last) throw new StorageFault("UNKNOWN_OFFSET", `Cannot read after offset ${after}: the newest is ${this.#last}`);
    try {
      return readBlocks(this.#connection.statements.after.iterate(after) as Iterable<unknown> as Iterable<Block>, query, { epoch: this.epoch, oldest: this.#first });
    } catch (error) {
      throw toStorageError(error, "read the journal");
    }
  }

  /** The last retained message of each topic, in order of offset. */
  retained(): PackedPage {
    const page = new Page();
    for (const row of this.#connection.database.prepare("select offset, body from retained order by offset").all()) page.add(row["offset"] as number, toBuffer(row["body"] as Uint8Array));
    return page.pack(this.#last);
  }

  /** Where the reader `name` stands. */
  cursor(name: string): number | undefined {
    return this.#cursors.get(name);
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
    if (removed > 0) {
      const change = ({ removeUpTo, setLast }: Statements): void => {
        removeUpTo.run(upTo);
        setLast.run(String(this.#last));
      };
      this.#connection.change("remove from the journal", change, false);
      this.#first = upTo + 1;
    }
    return { removed, forced, bytes: this.bytes, more: this.#merge() || more, bounds: this.bounds };
  }

  /** Moves everything into the one file and closes it. */
  close(): void {
    this.#connection.close();
  }

  #merge(): boolean {
    const { run, upTo, more } = findMergeable(this.#connection.database, this.#mergedUpTo, this.epoch);
    if (run) {
      const blocks = splitBlocks(run.bytes, run.first, { epoch: this.epoch });
      const change = ({ removeFrom, insert }: Statements): void => {
        removeFrom.run(run.first, run.last);
        for (const block of blocks) insertBlock(insert, block);
      };
      this.#connection.change("merge blocks of the journal", change, false);
      this.#sinceCheckpoint += run.bytes.length * 2;
    }
    this.#mergedUpTo = upTo;
    return more;
  }

  /** A write-ahead log with a damaged tail loses it without any error of SQLite's: at least what is there must be whole. */
  #checkTail(database: DatabaseSync): void {
    let next: number | undefined;
    for (const row of database.prepare("select first, last, crc, body from block order by last desc limit ?").all(tailBlocks)) {
      const block = row as unknown as Block;
      blockBody(block, this.epoch);
      if (next !== undefined && block.last !== next - 1) throw damaged(block.last + 1, next - 1);
      next = block.first;
    }
  }
}

function insertBlock(insert: StatementSync, { last, first, min_time, max_time, received, crc, body }: Block): void {
  insert.run(last, first, min_time, max_time, received, crc, body);
}

function prepare(database: DatabaseSync): Statements {
  return {
    insert: database.prepare("insert into block (last, first, min_time, max_time, received, crc, body) values (?, ?, ?, ?, ?, ?, ?)"),
    after: database.prepare("select last, first, min_time, max_time, crc, body from block where last > ? order by last"),
    keep: database.prepare("insert into retained (topic, offset, body) values (?, ?, ?) on conflict (topic) do update set offset = excluded.offset, body = excluded.body"),
    forget: database.prepare("delete from retained where topic = ?"),
    setCursor: database.prepare("insert into cursor (name, offset) values (?, ?) on conflict (name) do update set offset = excluded.offset"),
    dropCursor: database.prepare("delete from cursor where name = ?"),
    removeUpTo: database.prepare("delete from block where last <= ?"),
    removeFrom: database.prepare("delete from block where last between ? and ?"),
    setLast: database.prepare("update meta set value = ? where name = 'last'"),
  };
}
