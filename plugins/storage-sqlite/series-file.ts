import type { DatabaseSync } from "node:sqlite";
import { Connection } from "./connection.ts";
import { checkpoint, openDatabaseFile, purge, type ConnectionOptions } from "./database-file.ts";
import { entryFrom, entryJson, entryReceived, entrySize, entryTime, entryTopic, entryType } from "./entry-layout.ts";
import type { Finding } from "./finding.ts";
import { openOrSalvage, requestSalvage } from "./open-or-salvage.ts";
import { presenceDevice } from "./presence.ts";
import { readReadings, type Reading } from "./readings.ts";
import { seriesSchema } from "./schema-version.ts";
import { isSensitiveSeries, maskPayload, type SeriesMask } from "./series-mask.ts";
import { isSeries, salvageSeries } from "./series-salvage.ts";
import { prepareSeries, storePoint, type Series, type SeriesStatements } from "./series-statements.ts";
import { SeriesUpkeep, type RollStep, type SeriesLimits, type SeriesRetentionStep, type UpkeepScope } from "./series-upkeep.ts";
import { stampOf } from "./set-aside.ts";
import { toOpeningError } from "./sqlite-error.ts";
import type { Statuses } from "./statuses.ts";

/** What became of a batch of messages. */
export interface IngestResult {
  /** Readings stored. */
  readonly stored: number;
  /** What was not stored, by reason. */
  readonly dropped: Readonly<Record<string, number>>;
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

/** Series whose id and newest time are remembered; beyond it the cache starts anew. */
const cacheLimit = 200_000;
const checkpointBytes = 16 * 1024 * 1024;

/** The file of series and devices, on the thread that owns it. Written without waiting for the disk: nothing here was acknowledged to anybody. */
export class SeriesFile {
  readonly #path: string;
  readonly #connection: Connection<SeriesStatements>;
  readonly #maxSeries: number;
  readonly #mask: SeriesMask;
  #known = new Map<string, Series>();
  #count: number;
  #sinceCheckpoint = 0;
  readonly #upkeep = new SeriesUpkeep();

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
    this.#connection = new Connection(database, { path, ...options, prepare: prepareSeries });
    this.#maxSeries = options.maxSeries;
    this.#mask = options.mask;
    this.#count = database.prepare("select count(*) as count from series").get()!["count"] as number;
  }

  /** The connection, for queries; a new one when the last one failed. @throws {StorageFault} when it cannot be opened. */
  get database(): DatabaseSync {
    return this.#connection.database;
  }

  /** What the numbers of statuses stand for, over that connection. */
  get statuses(): Statuses {
    return this.#connection.statements.statuses;
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
    const readings = (statements: SeriesStatements, device: string, { time: sent, received }: { readonly time: number; readonly received: number }, payload: unknown): void => {
      for (const reading of readReadings(payload, drop)) {
        const series = this.#series(device, reading);
        if (!series) {
          drop("too-many-series");
          continue;
        }
        const time = reading.timestamp ?? sent;
        if (time < series.trimmed) {
          drop("too-old");
        } else {
          if (typeof reading.value !== "string") storePoint(statements, series, { reading, time, received });
          stored++;
        }
        if (time < series.time) continue; // an older value than the last one: only a point
        series.time = time;
        series.last = reading;
        series.received = received;
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
          readings(statements, entryFrom(bytes, at), { time: entryTime(bytes, at), received: entryReceived(bytes, at) }, payload);
        } else {
          const said = typeof payload === "object" && payload !== null && "lastSeen" in payload ? payload.lastSeen : undefined;
          sees(present, typeof said === "number" && Number.isSafeInteger(said) && said >= 0 ? said : entryTime(bytes, at));
        }
      }
      for (const { id, time, last, received } of touched) {
        const { value, unit, quality, code } = last!;
        const kind = typeof value === "number" ? 0 : typeof value === "boolean" ? 1 : value === null ? 3 : 2;
        statements.set.run(unit ?? null, quality, time, kind, kind < 2 ? Number(value) : null, typeof value === "string" ? value : null, code ?? null, received, id);
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

  /** One step of rolling up. `now`: ms since the Unix epoch. */
  roll(now: number): RollStep {
    let step: RollStep = { readings: 0, more: false };
    this.#change("roll up the series", (statements) => void (step = this.#upkeep.roll(this.#scope(statements), now)));
    this.#sinceCheckpoint += step.readings * 4;
    return step;
  }

  /** One step of retention. */
  retain(limits: SeriesLimits): SeriesRetentionStep {
    let step: SeriesRetentionStep | undefined;
    this.#change("remove from the series", (statements) => void (step = this.#upkeep.retain(this.#scope(statements), limits)));
    return step!;
  }

  #scope({ roller }: SeriesStatements): UpkeepScope {
    const onChange: UpkeepScope["onChange"] = ({ device, tag, rolled, trimmed }) => {
      const known = this.#known.get(keyOf(device, tag));
      if (known) Object.assign(known, { rolled, trimmed, stale: undefined });
    };
    return { database: this.database, roller, onChange };
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
    const removals = ["point", "rollup", "stale"].map((table) => `delete from ${table} where series = ?`).concat("delete from series where id = ?").map((text) => this.database.prepare(text));
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

  /** The payload of the entry at `at` without what is sensitive in it. */
  #readable(bytes: Buffer, at: number, topic: string): unknown {
    const payload = entryJson(bytes, at);
    const { sensitive } = this.#mask;
    const type = entryType(bytes, at);
    return sensitive.concerns(topic, type) ? maskPayload(payload, sensitive.placesIn(topic, type, payload)) : payload;
  }

  #series(device: string, reading: Reading): Series | undefined {
    const key = keyOf(device, reading.tag);
    const known = this.#known.get(key);
    if (known) return known;
    const row = this.#connection.statements.find.get(device, reading.tag);
    if (!row && this.#count >= this.#maxSeries) return undefined;
    const stored = row ? (row as unknown as Pick<Series, "id" | "time" | "rolled" | "trimmed">) : { id: Number(this.#connection.statements.add.run(device, reading.tag).lastInsertRowid), time: 0, rolled: 0, trimmed: 0 };
    const series: Series = { id: stored.id, time: stored.time, last: undefined, received: 0, rolled: stored.rolled, trimmed: stored.trimmed, stale: undefined };
    if (!row) this.#count++;
    if (this.#known.size >= cacheLimit) this.#known.clear();
    this.#known.set(key, series);
    return series;
  }

  #change(doing: string, change: (statements: SeriesStatements) => void): void {
    const count = this.#count;
    try {
      this.#connection.change(doing, change);
    } catch (error) {
      this.#known = new Map(); // it may know series that are rolled back now
      if (this.#connection.live) this.#connection.statements.statuses.reload();
      this.#count = count;
      throw error;
    }
  }
}

const keyOf = (device: string, tag: string): string => device + "\u0000" + tag;
