import type { DatabaseSync, StatementSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import { randomUUID } from "node:crypto";
import { BusbarError, clearsRetained, matches, parsePayload } from "@busbar/core";
import { checkpoint, openDatabaseFile, reopenDatabaseFile, run, usedBytes, type ConnectionOptions } from "./database-file.ts";
import { entryPayload, entryReceived, entryRetained, entrySize, entryTime, entryTopic } from "./entry-codec.ts";
import { journalSchema } from "./schema-version.ts";
import { sqliteCode, toStorageError } from "./sqlite-error.ts";

/** The oldest and newest offset; `first > last` when there is none. */
export interface Bounds {
  readonly first: number;
  readonly last: number;
}

/** What a reader wants of the file. */
export interface BlockQuery {
  readonly after: number;
  readonly limit: number;
  readonly pattern?: string | undefined;
  /** Only messages whose source time lies in `[since, until)`, ms. */
  readonly since?: number | undefined;
  readonly until?: number | undefined;
}

/** Entries packed for `unpackEntries`, and the offset up to which they are all that match. */
export interface PackedPage {
  readonly buffer: ArrayBuffer;
  readonly count: number;
  readonly until: number;
}

/** What retention may take. */
export interface JournalRetention {
  /** Messages that arrived before this, ms since the Unix epoch, may go. */
  readonly before: number;
  /** Bytes to come down to, as far as no cursor needs what is in the way. */
  readonly size: number;
  /** Bytes to come down to whatever the cursors need. */
  readonly maxSize: number;
}

/** What one step of retention did. */
export interface JournalRetentionStep {
  readonly removed: number;
  /** Of these, entries that a cursor had not passed. */
  readonly forced: number;
  readonly bytes: number;
  /** Whether there is more to remove now. */
  readonly more: boolean;
  readonly bounds: Bounds;
}

interface Statements {
  readonly begin: StatementSync;
  readonly commit: StatementSync;
  readonly insert: StatementSync;
  readonly after: StatementSync;
  readonly keep: StatementSync;
  readonly forget: StatementSync;
  readonly setCursor: StatementSync;
}

/** Entries of a block together are at most this long, unless it is one entry. */
const blockBytes = 64 * 1024;
/** A page ends when it has so many bytes or took so long, whatever its limit: appends wait for it. */
const pageBytes = 4 * 1024 * 1024;
const pageMs = 10;
/** Bytes appended between two checkpoints. */
const checkpointBytes = 8 * 1024 * 1024;

/**
 * The journal's file, on the thread that owns it: everything here is synchronous. After an error of the medium the connection is thrown away and
 * the next call opens another (a failed fsync leaves nothing on it to rely on).
 */
export class JournalFile {
  readonly epoch: string;
  readonly #path: string;
  readonly #options: ConnectionOptions;
  #database: DatabaseSync | undefined;
  #statements: Statements;
  #first = 1;
  #last = 0;
  #sinceCheckpoint = 0;
  readonly #cursors = new Map<string, number>();

  /**
   * Opens or makes the file.
   * @throws {BusbarError} as `openDatabaseFile`; IO when the newest entries do not have the checksums they were written with.
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
    this.#path = path;
    this.#options = options;
    this.#database = database;
    this.#statements = prepare(database);
    database.prepare("insert or ignore into meta (name, value) values ('epoch', ?), ('last', '0')").run(randomUUID());
    const meta = (name: string): string => database.prepare("select value from meta where name = ?").get(name)!["value"] as string;
    this.epoch = meta("epoch");
    this.#readBounds(Number(meta("last")));
    for (const row of database.prepare("select name, offset from cursor").all()) this.#cursors.set(row["name"] as string, row["offset"] as number);
    this.#checkTail();
  }

  get bounds(): Bounds {
    return { first: this.#first, last: this.#last };
  }

  /** Bytes of the file that hold something. */
  get bytes(): number {
    return usedBytes(this.#open());
  }

  /**
   * Appends the entries packed in `bytes` in one transaction. Returns the offset of the first.
   * @throws {BusbarError} OVERLOAD when the disk or the limit is full, IO when writing fails: nothing is then appended.
   */
  append(bytes: Buffer): number {
    const first = this.#last + 1;
    let last = this.#last;
    this.#write("append to the journal", () => {
      this.#statements.begin.run();
      const retained = new Map<string, { offset: number; at: number }>();
      for (let start = 0, at = 0; start < bytes.length; start = at) {
        const blockFirst = last + 1;
        let [minTime, maxTime, received] = [Number.POSITIVE_INFINITY, 0, 0];
        while (at < bytes.length && (at === start || at - start + entrySize(bytes, at) <= blockBytes)) {
          last++;
          minTime = Math.min(minTime, entryTime(bytes, at));
          maxTime = Math.max(maxTime, entryTime(bytes, at));
          received = Math.max(received, entryReceived(bytes, at));
          if (entryRetained(bytes, at)) retained.set(entryTopic(bytes, at), { offset: last, at });
          at += entrySize(bytes, at);
        }
        const body = bytes.subarray(start, at);
        this.#statements.insert.run(last, blockFirst, minTime, maxTime, received, this.#crc(body, blockFirst), body);
      }
      for (const [topic, { offset, at }] of retained) {
        const end = at + entrySize(bytes, at);
        if (clears(bytes, entryPayload(bytes, at), end)) this.#statements.forget.run(topic);
        else this.#statements.keep.run(topic, offset, bytes.subarray(at, end));
      }
      this.#statements.commit.run();
    });
    this.#last = last;
    this.#sinceCheckpoint += bytes.length + 4096;
    return first;
  }

  /** Moves the log into the file when enough has gathered there; called between two messages, so that no append waits for it inside its commit. */
  checkpointIfDue(): void {
    if (this.#sinceCheckpoint < checkpointBytes || !this.#database) return;
    this.#write("checkpoint the journal", (database) => checkpoint(database, "passive"));
    this.#sinceCheckpoint = 0;
  }

  /**
   * The next entries that match. May have fewer than `limit` before the end: see `until`.
   * @throws {BusbarError} UNKNOWN_OFFSET as Journal.read; IO when a block is damaged.
   */
  read(query: BlockQuery): PackedPage {
    const { after, limit, pattern, since = 0, until = Number.MAX_SAFE_INTEGER } = query;
    if (after < this.#first - 1) throw new BusbarError("UNKNOWN_OFFSET", `Cannot read after offset ${after}: the oldest that is left is ${this.#first}`);
    if (after > this.#last) throw new BusbarError("UNKNOWN_OFFSET", `Cannot read after offset ${after}: the newest is ${this.#last}`);
    const found: [offset: number, bytes: Buffer][] = [];
    const known = new Map<string, boolean>();
    let size = 0;
    let upTo = after;
    const wanted = (bytes: Buffer, at: number): boolean => {
      const time = entryTime(bytes, at);
      if (time < since || time >= until) return false;
      if (pattern === undefined) return true;
      const topic = entryTopic(bytes, at);
      let hit = known.get(topic);
      if (hit === undefined) known.set(topic, (hit = matches(pattern, topic)));
      return hit;
    };
    this.#open();
    const end = performance.now() + pageMs;
    try {
      for (const row of this.#statements.after.iterate(after) as Iterable<Record<string, unknown>>) {
        const first = row["first"] as number;
        const last = row["last"] as number;
        if (first > upTo + 1 && first > this.#first) throw damaged(upTo + 1, first - 1);
        if ((row["max_time"] as number) >= since && (row["min_time"] as number) < until) {
          const bytes = this.#body(row);
          for (let at = 0, offset = first; at < bytes.length; at += entrySize(bytes, at), offset++) {
            if (offset <= after || !wanted(bytes, at)) continue;
            const entry = bytes.subarray(at, at + entrySize(bytes, at));
            found.push([offset, entry]);
            size += 8 + entry.length;
            if (found.length === limit || size >= pageBytes) return packPage(found, size, offset);
          }
        }
        upTo = last;
        if (performance.now() > end) break;
      }
    } catch (error) {
      throw toStorageError(error, "read the journal");
    }
    return packPage(found, size, upTo);
  }

  /** The last retained message of each topic, in order of offset. */
  retained(): PackedPage {
    const rows = this.#open().prepare("select offset, body from retained order by offset").all();
    const found = rows.map((row): [number, Buffer] => [row["offset"] as number, toBuffer(row["body"] as Uint8Array)]);
    return packPage(found, found.reduce((sum, [, bytes]) => sum + 8 + bytes.length, 0), this.#last);
  }

  /** Where the reader `name` stands. */
  cursor(name: string): number | undefined {
    return this.#cursors.get(name);
  }

  /** Sets a cursor. Not synced by itself: after a power cut the reader repeats a little. */
  moveCursor(name: string, offset: number): void {
    this.#write("move a cursor", (database) => this.#unsynced(database, () => this.#statements.setCursor.run(name, offset)));
    this.#cursors.set(name, offset);
  }

  /** Forgets a cursor. */
  dropCursor(name: string): void {
    this.#write("drop a cursor", (database) => database.prepare("delete from cursor where name = ?").run(name));
    this.#cursors.delete(name);
  }

  /** Removes the oldest blocks, a few at a time. Call it again while there is `more`. */
  retain(limits: JournalRetention): JournalRetentionStep {
    const database = this.#open();
    const needed = Math.min(Number.POSITIVE_INFINITY, ...this.#cursors.values());
    const bytes = usedBytes(database);
    let over = bytes - limits.size;
    let mustGo = bytes - limits.maxSize;
    let removeUpTo = this.#first - 1;
    let forced = 0;
    let seen = 0;
    for (const row of database.prepare("select first, last, received, length(body) as size from block order by last limit 64").all()) {
      const { first, last, received, size } = row as Record<string, number>;
      const spent = last! <= needed;
      if (!(mustGo > 0 || (spent && (over > 0 || received! < limits.before)))) break;
      if (!spent) forced += last! - Math.max(first! - 1, needed);
      removeUpTo = last!;
      over -= size!;
      mustGo -= size!;
      seen++;
    }
    const removed = removeUpTo - this.#first + 1;
    if (removed > 0) {
      this.#write("remove from the journal", (open) =>
        this.#unsynced(open, () => {
          this.#statements.begin.run();
          open.prepare("delete from block where last <= ?").run(removeUpTo);
          open.prepare("update meta set value = ? where name = 'last'").run(String(this.#last));
          this.#statements.commit.run();
        }),
      );
      this.#first = removeUpTo + 1;
    }
    return { removed, forced, bytes: this.bytes, more: seen === 64, bounds: this.bounds };
  }

  /** Moves everything into the one file and closes it. */
  close(): void {
    this.#database?.close();
    this.#database = undefined;
  }

  /** The connection; a new one when the last one failed. */
  #open(): DatabaseSync {
    if (this.#database) return this.#database;
    const database = reopenDatabaseFile(this.#path, this.#options);
    const row = database.prepare("select max(last) as last from block").get()!;
    if (row["last"] !== null && row["last"] !== this.#last) {
      database.close();
      throw new Error(`Cannot go on with the journal: it ends at ${String(row["last"])}, the last that was acknowledged is ${this.#last}`);
    }
    this.#statements = prepare(database);
    return (this.#database = database);
  }

  /** Runs a change. Whatever fails is rolled back, and unless the disk was merely full the connection is given up. */
  #write(doing: string, change: (database: DatabaseSync) => void): void {
    const database = this.#open();
    try {
      change(database);
    } catch (error) {
      try {
        if (database.isTransaction) run(database, "rollback");
        if (sqliteCode(error) !== 13) this.close();
      } catch (closing) {
        this.#database = undefined;
        throw toStorageError(new AggregateError([error, closing], `${String(error)}; then ${String(closing)}`), doing);
      }
      throw toStorageError(error, doing);
    }
  }

  /** What a crash may undo without harm need not wait for the disk. */
  #unsynced(database: DatabaseSync, change: () => void): void {
    if (this.#options.durability === "normal") return change();
    run(database, "pragma synchronous = normal");
    try {
      change();
    } finally {
      if (database.isTransaction) run(database, "rollback"); // the pragma would do nothing within a transaction
      run(database, "pragma synchronous = full");
    }
  }

  #readBounds(lastEver: number): void {
    const row = this.#database!.prepare("select (select first from block order by last limit 1) as first, (select max(last) from block) as last").get()!;
    this.#last = Math.max((row["last"] as number | null) ?? 0, lastEver);
    this.#first = (row["first"] as number | null) ?? this.#last + 1;
  }

  /** A write-ahead log with a damaged tail loses it without any error of SQLite's: at least what is there must be whole. */
  #checkTail(): void {
    let next: number | undefined;
    for (const row of this.#database!.prepare("select first, last, crc, body from block order by last desc limit 64").all()) {
      this.#body(row);
      if (next !== undefined && row["last"] !== next - 1) throw damaged((row["last"] as number) + 1, next - 1);
      next = row["first"] as number;
    }
  }

  #crc(body: Uint8Array, first: number): number {
    return crc32(body, crc32(`${this.epoch} ${first}`));
  }

  #body(row: Record<string, unknown>): Buffer {
    const body = toBuffer(row["body"] as Uint8Array);
    if (this.#crc(body, row["first"] as number) !== row["crc"]) throw damaged(row["first"] as number, row["last"] as number);
    return body;
  }
}

function prepare(database: DatabaseSync): Statements {
  return {
    begin: database.prepare("begin immediate"),
    commit: database.prepare("commit"),
    insert: database.prepare("insert into block (last, first, min_time, max_time, received, crc, body) values (?, ?, ?, ?, ?, ?, ?)"),
    after: database.prepare("select last, first, min_time, max_time, crc, body from block where last > ? order by last"),
    keep: database.prepare("insert into retained (topic, offset, body) values (?, ?, ?) on conflict (topic) do update set offset = excluded.offset, body = excluded.body"),
    forget: database.prepare("delete from retained where topic = ?"),
    setCursor: database.prepare("insert into cursor (name, offset) values (?, ?) on conflict (name) do update set offset = excluded.offset"),
  };
}

function damaged(first: number, last: number): BusbarError {
  return new BusbarError("IO", `Cannot read offsets ${first} to ${last} of the journal: they are not as they were written`, { retryable: false });
}

const toBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function clears(bytes: Buffer, start: number, end: number): boolean {
  if (end - start > 1000) return false;
  return clearsRetained(parsePayload(JSON.parse(bytes.toString("utf8", start, end))));
}

function packPage(found: readonly (readonly [number, Buffer])[], size: number, until: number): PackedPage {
  const buffer = new ArrayBuffer(size);
  const bytes = Buffer.from(buffer);
  let at = 0;
  for (const [offset, entry] of found) {
    bytes.writeDoubleLE(offset, at);
    at += 8 + entry.copy(bytes, at + 8);
  }
  return { buffer, count: found.length, until };
}
