import type { DatabaseSync, StatementSync } from "node:sqlite";
import { Connection } from "./connection.ts";
import { checkpoint, openDatabaseFile, purge, usedBytes, type ConnectionOptions } from "./database-file.ts";
import { entryFrom, entryJson, entryReceived, entrySize, entryTime, entryTopic, entryType } from "./entry-layout.ts";
import type { Finding } from "./finding.ts";
import { openOrSalvage, requestSalvage } from "./open-or-salvage.ts";
import { presenceDevice } from "./presence.ts";
import { readReadings, type Reading } from "./readings.ts";
import { seriesSchema } from "./schema-version.ts";
import { isSensitiveSeries, maskPayload, type SeriesMask } from "./series-mask.ts";
import { isSeries, salvageSeries } from "./series-salvage.ts";
import { stampOf } from "./set-aside.ts";
import { toOpeningError } from "./sqlite-error.ts";

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

/** How the file of series is opened. */
export interface SeriesFileOptions extends ConnectionOptions {
  /** Device and tag pairs that it takes. */
  readonly maxSeries: number;
  /** What is not to be stored, as it is sensitive. */
  readonly mask: SeriesMask;
  /** Now, ms since the Unix epoch: stands in the names of what is set aside. */
  readonly now: number;
  /** Called now and then while a damaged file is salvaged. */
  readonly onProgress?: (() => void) | undefined;
}

/** A file of series that is open, and what was found wrong with it. */
export interface OpenedSeries {
  readonly series: SeriesFile;
  readonly findings: readonly Finding[];
}

interface Series {
  readonly id: number;
  time: number;
  last: Reading | undefined;
}

interface Statements {
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
  readonly #connection: Connection<Statements>;
  readonly #maxSeries: number;
  readonly #mask: SeriesMask;
  #known = new Map<string, Series>();
  #count: number;
  #sinceCheckpoint = 0;
  #retainAt = 0;

  /**
   * Opens or makes the file; a damaged one is set aside, and what can be read of it copied.
   * @throws {StorageFault} as `openDatabaseFile`, but for DAMAGED.
   */
  static async open(path: string, options: SeriesFileOptions): Promise<OpenedSeries> {
    const migrations = async () => (await import("./migrations.ts")).seriesMigrations;
    const open = async (): Promise<SeriesFile> => {
      const database = await openDatabaseFile(path, seriesSchema, migrations, { ...options, isOurs: isSeries });
      try {
        return new SeriesFile(path, options, database);
      } catch (error) {
        database.close();
        throw toOpeningError(error, `open "${path}"`);
      }
    };
    const { opened, findings } = await openOrSalvage(path, { open, salvage: () => salvageSeries(path, options, { stamp: stampOf(options.now), onProgress: options.onProgress ?? (() => {}) }) });
    return { series: opened, findings };
  }

  private constructor(path: string, options: SeriesFileOptions, database: DatabaseSync) {
    this.#path = path;
    this.#connection = new Connection(database, { path, ...options, prepare });
    this.#maxSeries = options.maxSeries;
    this.#mask = options.mask;
    this.#count = database.prepare("select count(*) as count from series").get()!["count"] as number;
  }

  /** The connection, for queries; a new one when the last one failed. @throws {StorageFault} when it cannot be opened. */
  get database(): DatabaseSync {
    return this.#connection.database;
  }

  /**
   * Stores the readings and signs of life of packed messages in one transaction.
   * @throws {StorageFault} OVERLOAD when the disk or the limit is full, IO when writing fails: nothing of them is then stored.
   */
  ingest(bytes: Buffer): IngestResult {
    const dropped: Record<string, number> = {};
    const drop = (reason: string): void => void (dropped[reason] = (dropped[reason] ?? 0) + 1);
    const seen = new Map<string, number>();
    const touched = new Set<Series>();
    const sees = (device: string, time: number): void => void seen.set(device, Math.max(seen.get(device) ?? 0, time));
    let stored = 0;
    const readings = ({ point }: Statements, device: string, time: number, payload: unknown): void => {
      for (const reading of readReadings(payload, drop)) {
        const series = this.#series(device, reading);
        if (!series) {
          drop("too-many-series");
          continue;
        }
        if (typeof reading.value !== "string") point.run(series.id, time, Number(reading.value));
        stored++;
        if (time < series.time) continue; // an older value than the last one: only a point
        series.time = time;
        series.last = reading;
        touched.add(series);
      }
    };
    this.#change("store readings", (statements) => {
      for (let at = 0; at < bytes.length; at += entrySize(bytes, at)) {
        const topic = entryTopic(bytes, at);
        const present = presenceDevice(topic);
        const payload = this.#readable(bytes, at, topic);
        if (present === undefined) {
          sees(entryFrom(bytes, at), entryReceived(bytes, at));
          readings(statements, entryFrom(bytes, at), entryTime(bytes, at), payload);
        } else {
          const said = typeof payload === "object" && payload !== null && "lastSeen" in payload ? payload.lastSeen : undefined;
          sees(present, typeof said === "number" && Number.isSafeInteger(said) && said >= 0 ? said : entryTime(bytes, at));
        }
      }
      for (const { id, time, last } of touched) {
        const { value, unit, quality } = last!;
        statements.set.run(unit ?? null, quality, time, typeof value === "number" ? 0 : typeof value === "boolean" ? 1 : 2, typeof value === "string" ? null : Number(value), typeof value === "string" ? value : null, id);
      }
      for (const [device, time] of seen) statements.seen.run(device, time);
    });
    this.#sinceCheckpoint += stored * 64 + touched.size * 4096;
    return { stored, dropped };
  }

  /** Moves the log into the file when enough has gathered there. */
  checkpointIfDue(): void {
    if (this.#sinceCheckpoint < checkpointBytes || !this.#connection.live) return;
    this.#connection.guard("checkpoint the series", (database) => checkpoint(database, "passive"));
    this.#sinceCheckpoint = 0;
  }

  /** Removes points older than `before` (ms since the Unix epoch), and the oldest of all series until the file holds no more than `size` bytes; some at a time. */
  retain(limits: { readonly before: number; readonly size: number }): SeriesRetentionStep {
    const bytes = usedBytes(this.database);
    const before = bytes > limits.size ? Math.max(limits.before, this.#earlier()) : limits.before;
    let removed = 0;
    this.#change("remove from the series", () => {
      const { database } = this;
      const next = database.prepare("select id from series where id > ? order by id limit 1");
      const bound = database.prepare("select max(time) as time, count(*) as count from (select time from point where series = ? and time < ? order by time limit ?)");
      const remove = database.prepare("delete from point where series = ? and time <= ?");
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
    });
    return { removed, bytes: usedBytes(this.database), more: this.#retainAt !== 0 || removed > 0 };
  }

  /** Removes one series, if it is there. */
  forget(device: string, tag: string): void {
    this.#remove(this.database.prepare("select id from series where device = ? and tag = ?").all(device, tag));
  }

  /** Removes the series that are of sensitive values, going by their devices and tags. `types`: of the messages that they may come from. */
  forgetSensitive(types: readonly string[]): void {
    this.#remove(this.database.prepare("select id, device, tag from series").all().filter(({ device, tag }) => isSensitiveSeries(device as string, tag as string, this.#mask, types)));
  }

  #remove(rows: readonly Record<string, unknown>[]): void {
    if (rows.length === 0) return;
    const removals = ["delete from point where series = ?", "delete from series where id = ?"].map((text) => this.database.prepare(text));
    this.#change("remove sensitive series", () => {
      for (const { id } of rows) for (const removal of removals) removal.run(id as number);
    });
    this.#known = new Map();
    this.#count -= rows.length;
  }

  /** Makes the file anew, without what was removed from it. */
  purge(): void {
    this.#connection.guard("make the series anew", purge);
  }

  /** Has the file salvaged when it is opened next. */
  requestSalvage(): void {
    requestSalvage(this.#path);
  }

  /** Moves everything into the one file and closes it. */
  close(): void {
    this.#connection.close();
  }

  /** A twentieth of the way from the oldest point to the newest: what to take next when the file is too large. */
  #earlier(): number {
    const row = this.database.prepare("select min(oldest) as oldest, max(newest) as newest from (select (select min(time) from point where series = id) as oldest, time as newest from series)").get()!;
    const [oldest, newest] = [row["oldest"] as number | null, row["newest"] as number | null];
    return oldest === null || newest === null ? 0 : oldest + Math.max(1, Math.ceil((newest - oldest) / 20));
  }

  /** The payload of the entry at `at` without what is sensitive in it. */
  #readable(bytes: Buffer, at: number, topic: string): unknown {
    const payload = entryJson(bytes, at);
    const { sensitive } = this.#mask;
    const type = entryType(bytes, at);
    return sensitive.concerns(topic, type) ? maskPayload(payload, sensitive.placesIn(topic, type, payload)) : payload;
  }

  #series(device: string, reading: Reading): Series | undefined {
    const key = device + "\u0000" + reading.tag;
    const known = this.#known.get(key);
    if (known) return known;
    const row = this.#connection.statements.find.get(device, reading.tag);
    if (!row && this.#count >= this.#maxSeries) return undefined;
    const series: Series = row ? { id: row["id"] as number, time: row["time"] as number, last: undefined } : { id: Number(this.#connection.statements.add.run(device, reading.tag).lastInsertRowid), time: 0, last: undefined };
    if (!row) this.#count++;
    if (this.#known.size >= cacheLimit) this.#known.clear();
    this.#known.set(key, series);
    return series;
  }

  #change(doing: string, change: (statements: Statements) => void): void {
    const count = this.#count;
    try {
      this.#connection.change(doing, change);
    } catch (error) {
      this.#known = new Map(); // it may know series that are rolled back now
      this.#count = count;
      throw error;
    }
  }
}

function prepare(database: DatabaseSync): Statements {
  return {
    point: database.prepare("insert into point (series, time, value) values (?, ?, ?) on conflict (series, time) do update set value = excluded.value"),
    find: database.prepare("select id, time from series where device = ? and tag = ?"),
    add: database.prepare("insert into series (device, tag, quality, time, kind) values (?, ?, 'good', 0, 2)"),
    set: database.prepare("update series set unit = ?, quality = ?, time = ?, kind = ?, number = ?, text = ? where id = ?"),
    seen: database.prepare("insert into device (id, last_seen) values (?, ?) on conflict (id) do update set last_seen = max(last_seen, excluded.last_seen)"),
  };
}
