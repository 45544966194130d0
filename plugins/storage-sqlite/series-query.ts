import { Kysely } from "kysely";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { DeviceRecord, SeriesPoint } from "@busbar/core";
import { NodeSqliteDialect } from "./kysely-dialect.ts";
import { lttb } from "./lttb.ts";

interface Tables {
  series: { id: number; device: string; tag: string; unit: string | null; quality: string; time: number; kind: number; number: number | null; text: string | null };
  point: { series: number; time: number; value: number };
  device: { id: string; last_seen: number };
}

/** What of a series is wanted; see Store.series. */
export interface SeriesRequest {
  readonly device: string;
  readonly tag: string;
  readonly since: number;
  readonly until: number;
  readonly points: number;
}

/** Points read at once; between two slices other work of the thread gets its turn. */
const slice = 20_000;
/** Up to so many points are thinned as they are; of more, first the smallest and the largest of each of four buckets per wanted point. */
const exactLimit = 200_000;

/** The queries of the Store port over one connection. */
export class SeriesQuery {
  readonly #db: Kysely<Tables>;
  readonly #slice: StatementSync;

  constructor(database: DatabaseSync) {
    this.#db = new Kysely<Tables>({ dialect: new NodeSqliteDialect(database) });
    this.#slice = database.prepare("select time, value from point where series = ? and time >= ? and time < ? order by time limit ?");
    this.#slice.setReturnArrays(true); // a day of seconds as objects takes 50 ms, as arrays 14
  }

  /** Store.series. `pause` is awaited between two slices. */
  async series(request: SeriesRequest, pause: () => Promise<void>): Promise<{ points: SeriesPoint[]; unit?: string }> {
    const series = await this.#db.selectFrom("series").select(["id", "unit"]).where("device", "=", request.device).where("tag", "=", request.tag).executeTakeFirst();
    if (!series) return { points: [] };
    const line = new Line(request);
    let since = request.since;
    for (;;) {
      const rows = this.#slice.all(series.id, since, request.until, slice) as unknown as [time: number, value: number][];
      for (const [time, value] of rows) line.add(time, value);
      if (rows.length < slice) break;
      since = rows.at(-1)![0] + 1;
      if (line.full) line.fold(await this.#span(series.id, request));
      await pause();
    }
    return { points: line.thin(request.points), ...(series.unit === null ? {} : { unit: series.unit }) };
  }

  /** Store.devices. */
  async devices(request: { readonly after?: string | undefined; readonly limit: number }): Promise<DeviceRecord[]> {
    const devices = await this.#db.selectFrom("device").selectAll().where("id", ">", request.after ?? "").orderBy("id").limit(request.limit).execute();
    return await this.#describe(devices);
  }

  /** Store.device. */
  async device(id: string): Promise<DeviceRecord | undefined> {
    return (await this.#describe(await this.#db.selectFrom("device").selectAll().where("id", "=", id).execute()))[0];
  }

  async #describe(devices: readonly Tables["device"][]): Promise<DeviceRecord[]> {
    const values = new Map<string, Record<string, DeviceRecord["values"][string]>>(devices.map(({ id }) => [id, Object.create(null) as Record<string, DeviceRecord["values"][string]>]));
    for (let at = 0; at < devices.length; at += 500) {
      const ids = devices.slice(at, at + 500).map(({ id }) => id);
      for (const row of await this.#db.selectFrom("series").selectAll().where("device", "in", ids).orderBy("tag").execute()) {
        const value = row.kind === 2 ? (row.text ?? "") : row.kind === 1 ? row.number === 1 : (row.number ?? 0);
        values.get(row.device)![row.tag] = { value, ...(row.unit === null ? {} : { unit: row.unit }), quality: row.quality, timestamp: row.time };
      }
    }
    return devices.map(({ id, last_seen }) => ({ id, lastSeen: last_seen, values: { ...values.get(id)! } }));
  }

  async #span(series: number, { since, until }: SeriesRequest): Promise<{ first: number; last: number }> {
    const point = this.#db.selectFrom("point").select("time").where("series", "=", series).where("time", ">=", since).where("time", "<", until).limit(1);
    const first = await point.orderBy("time").executeTakeFirstOrThrow();
    const last = await point.orderBy("time", "desc").executeTakeFirstOrThrow();
    return { first: first.time, last: last.time };
  }
}

/** A line as it is read: whole while it is short, else the extremes of equal spans of time. */
class Line {
  #times: number[] = [];
  #values: number[] = [];
  #buckets: Extremes[] | undefined;
  #start = 0;
  #width = 1;
  readonly #bucketCount: number;

  constructor(request: SeriesRequest) {
    this.#bucketCount = Math.min(Math.max(request.points * 4, 1000), exactLimit / 2);
  }

  /** Whether the next slice would be too much to keep as it is. */
  get full(): boolean {
    return this.#buckets === undefined && this.#times.length + slice > exactLimit;
  }

  add(time: number, value: number): void {
    if (!this.#buckets) {
      this.#times.push(time);
      this.#values.push(value);
      return;
    }
    const bucket = (this.#buckets[Math.min(Math.floor((time - this.#start) / this.#width), this.#bucketCount - 1)] ??= { minTime: time, min: value, maxTime: time, max: value });
    if (value < bucket.min) [bucket.minTime, bucket.min] = [time, value];
    if (value > bucket.max) [bucket.maxTime, bucket.max] = [time, value];
    if (this.#times.length === 1 || time > this.#times[1]!) [this.#times[1], this.#values[1]] = [time, value];
  }

  /** From now on keeps extremes only, of spans that divide `[first, last]`, besides the first and the last point. */
  fold({ first, last }: { readonly first: number; readonly last: number }): void {
    const [times, values] = [this.#times, this.#values];
    [this.#times, this.#values] = [times.slice(0, 1), values.slice(0, 1)];
    this.#start = first;
    this.#width = Math.max(1, (last - first + 1) / this.#bucketCount);
    this.#buckets = [];
    for (let at = 0; at < times.length; at++) this.add(times[at]!, values[at]!);
  }

  thin(points: number): SeriesPoint[] {
    if (this.#buckets) {
      const line = new Map<number, number>([[this.#times[0]!, this.#values[0]!]]);
      for (const bucket of Object.values(this.#buckets)) {
        const pair = [[bucket.minTime, bucket.min], [bucket.maxTime, bucket.max]] as const;
        for (const [time, value] of bucket.minTime <= bucket.maxTime ? pair : [pair[1], pair[0]]) line.set(time, value);
      }
      line.set(this.#times[1]!, this.#values[1]!);
      this.#times = [...line.keys()];
      this.#values = [...line.values()];
    }
    return lttb(this.#times, this.#values, points).map((at) => ({ time: this.#times[at]!, value: this.#values[at]! }));
  }
}

interface Extremes {
  minTime: number;
  min: number;
  maxTime: number;
  max: number;
}
