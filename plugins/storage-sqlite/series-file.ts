import type { DatabaseSync, StatementSync } from "node:sqlite";
import { parsePayload } from "@busbar/core";
import { checkpoint, openDatabaseFile, reopenDatabaseFile, run, usedBytes, type ConnectionOptions } from "./database-file.ts";
import { entryFrom, entryPayload, entryReceived, entrySize, entryTime, entryTopic } from "./entry-codec.ts";
import { presenceDevice } from "./presence.ts";
import { readReadings, type Reading } from "./readings.ts";
import { seriesSchema } from "./schema-version.ts";
import { sqliteCode, toStorageError } from "./sqlite-error.ts";

/** What became of a batch of messages. */
export interface IngestResult {
  /** Readings stored. */
  readonly stored: number;
  /** What was not stored, by reason. */
  readonly dropped: Readonly<Record<string, number>>;
}

/** What one step of retention did. */
export interface SeriesRetentionStep {
  readonly removed: number;
  readonly bytes: number;
  /** Whether there is more to remove now. */
  readonly more: boolean;
}

interface Series {
  readonly id: number;
  time: number;
  last: Reading | undefined;
}

interface Statements {
  readonly begin: StatementSync;
  readonly commit: StatementSync;
  readonly point: StatementSync;
  readonly find: StatementSync;
  readonly add: StatementSync;
  readonly set: StatementSync;
  readonly seen: StatementSync;
}

/** Series whose id and newest time are remembered; beyond it the cache starts anew. */
const cacheLimit = 200_000;
const checkpointBytes = 16 * 1024 * 1024;
/** Points removed in one step. */
const stepPoints = 10_000;

/** The file of series and devices, on the thread that owns it. Written without waiting for the disk: nothing here was acknowledged to anybody. */
export class SeriesFile {
  readonly #path: string;
  readonly #options: ConnectionOptions;
  readonly #maxSeries: number;
  #database: DatabaseSync | undefined;
  #statements: Statements;
  #known = new Map<string, Series>();
  #count: number;
  #sinceCheckpoint = 0;
  #retainAt = 0;

  /**
   * Opens or makes the file. `maxSeries`: device and tag pairs it takes; more are dropped and counted.
   * @throws {BusbarError} as `openDatabaseFile`.
   */
  static async open(path: string, options: ConnectionOptions & { readonly maxSeries: number }): Promise<SeriesFile> {
    const migrations = async () => (await import("./migrations.ts")).seriesMigrations;
    return new SeriesFile(path, options, await openDatabaseFile(path, seriesSchema, migrations, options));
  }

  private constructor(path: string, options: ConnectionOptions & { readonly maxSeries: number }, database: DatabaseSync) {
    this.#path = path;
    this.#options = options;
    this.#maxSeries = options.maxSeries;
    this.#database = database;
    this.#statements = prepare(database);
    this.#count = database.prepare("select count(*) as count from series").get()!["count"] as number;
  }

  /** The connection, for queries; a new one when the last one failed. @throws {BusbarError} when it cannot be opened. */
  get database(): DatabaseSync {
    if (this.#database) return this.#database;
    const database = reopenDatabaseFile(this.#path, this.#options);
    this.#statements = prepare(database);
    return (this.#database = database);
  }

  /**
   * Stores the readings and signs of life of packed messages in one transaction.
   * @throws {BusbarError} OVERLOAD when the disk or the limit is full, IO when writing fails: nothing of them is then stored.
   */
  ingest(bytes: Buffer): IngestResult {
    const dropped: Record<string, number> = {};
    const drop = (reason: string): void => void (dropped[reason] = (dropped[reason] ?? 0) + 1);
    const seen = new Map<string, number>();
    const touched = new Set<Series>();
    const sees = (device: string, time: number): void => void seen.set(device, Math.max(seen.get(device) ?? 0, time));
    let stored = 0;
    const readings = (device: string, time: number, payload: unknown): void => {
      for (const reading of readReadings(payload, drop)) {
        const series = this.#series(device, reading);
        if (!series) {
          drop("too-many-series");
          continue;
        }
        if (typeof reading.value !== "string") this.#statements.point.run(series.id, time, Number(reading.value));
        stored++;
        if (time < series.time) continue; // an older value than the last one: only a point
        series.time = time;
        series.last = reading;
        touched.add(series);
      }
    };
    this.#write("store readings", () => {
      this.#statements.begin.run();
      for (let at = 0; at < bytes.length; at += entrySize(bytes, at)) {
        const payload = parsePayload(JSON.parse(bytes.toString("utf8", entryPayload(bytes, at), at + entrySize(bytes, at))));
        const present = presenceDevice(entryTopic(bytes, at));
        if (present === undefined) {
          sees(entryFrom(bytes, at), entryReceived(bytes, at));
          readings(entryFrom(bytes, at), entryTime(bytes, at), payload);
        } else {
          const said = typeof payload === "object" && payload !== null && "lastSeen" in payload ? payload.lastSeen : undefined;
          sees(present, typeof said === "number" && Number.isSafeInteger(said) && said >= 0 ? said : entryTime(bytes, at));
        }
      }
      for (const { id, time, last } of touched) {
        const { value, unit, quality } = last!;
        this.#statements.set.run(unit ?? null, quality, time, typeof value === "number" ? 0 : typeof value === "boolean" ? 1 : 2, typeof value === "string" ? null : Number(value), typeof value === "string" ? value : null, id);
      }
      for (const [device, time] of seen) this.#statements.seen.run(device, time);
      this.#statements.commit.run();
    });
    this.#sinceCheckpoint += stored * 64 + touched.size * 4096;
    return { stored, dropped };
  }

  /** Moves the log into the file when enough has gathered there. */
  checkpointIfDue(): void {
    if (this.#sinceCheckpoint < checkpointBytes || !this.#database) return;
    this.#write("checkpoint the series", (database) => checkpoint(database, "passive"));
    this.#sinceCheckpoint = 0;
  }

  /** Removes points older than `before` (ms since the Unix epoch), and the oldest of all series until the file holds no more than `size` bytes; some at a time. */
  retain(limits: { readonly before: number; readonly size: number }): SeriesRetentionStep {
    const bytes = usedBytes(this.database);
    const before = bytes > limits.size ? Math.max(limits.before, this.#earlier()) : limits.before;
    let removed = 0;
    this.#write("remove from the series", (database) => {
      const next = database.prepare("select id from series where id > ? order by id limit 1");
      const bound = database.prepare("select max(time) as time, count(*) as count from (select time from point where series = ? and time < ? order by time limit ?)");
      const remove = database.prepare("delete from point where series = ? and time <= ?");
      this.#statements.begin.run();
      for (let looked = 0; looked < 1000 && removed < stepPoints; looked++) {
        const id = next.get(this.#retainAt)?.["id"] as number | undefined;
        if (id === undefined) {
          this.#retainAt = 0;
          break;
        }
        const { time, count } = bound.get(id, before, stepPoints - removed) as { time: number | null; count: number };
        if (time !== null) remove.run(id, time);
        removed += count;
        if (removed < stepPoints) this.#retainAt = id;
      }
      this.#statements.commit.run();
    });
    return { removed, bytes: usedBytes(this.database), more: this.#retainAt !== 0 || removed > 0 };
  }

  /** Moves everything into the one file and closes it. */
  close(): void {
    this.#database?.close();
    this.#database = undefined;
  }

  /** A twentieth of the way from the oldest point to the newest: what to take next when the file is too large. */
  #earlier(): number {
    const row = this.database.prepare("select min(oldest) as oldest, max(newest) as newest from (select (select min(time) from point where series = id) as oldest, time as newest from series)").get()!;
    const [oldest, newest] = [row["oldest"] as number | null, row["newest"] as number | null];
    return oldest === null || newest === null ? 0 : oldest + Math.max(1, Math.ceil((newest - oldest) / 20));
  }

  #series(device: string, reading: Reading): Series | undefined {
    const key = device + "\u0000" + reading.tag;
    const known = this.#known.get(key);
    if (known) return known;
    const row = this.#statements.find.get(device, reading.tag);
    if (!row && this.#count >= this.#maxSeries) return undefined;
    const series: Series = row ? { id: row["id"] as number, time: row["time"] as number, last: undefined } : { id: Number(this.#statements.add.run(device, reading.tag).lastInsertRowid), time: 0, last: undefined };
    if (!row) this.#count++;
    if (this.#known.size >= cacheLimit) this.#known.clear();
    this.#known.set(key, series);
    return series;
  }

  #write(doing: string, change: (database: DatabaseSync) => void): void {
    const database = this.database;
    const count = this.#count;
    try {
      change(database);
    } catch (error) {
      this.#known = new Map(); // it may know series that are rolled back now
      this.#count = count;
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
}

function prepare(database: DatabaseSync): Statements {
  return {
    begin: database.prepare("begin immediate"),
    commit: database.prepare("commit"),
    point: database.prepare("insert into point (series, time, value) values (?, ?, ?) on conflict (series, time) do update set value = excluded.value"),
    find: database.prepare("select id, time from series where device = ? and tag = ?"),
    add: database.prepare("insert into series (device, tag, quality, time, kind) values (?, ?, 'good', 0, 2)"),
    set: database.prepare("update series set unit = ?, quality = ?, time = ?, kind = ?, number = ?, text = ? where id = ?"),
    seen: database.prepare("insert into device (id, last_seen) values (?, ?) on conflict (id) do update set last_seen = max(last_seen, excluded.last_seen)"),
  };
}
