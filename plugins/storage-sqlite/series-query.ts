import type { DatabaseSync } from "node:sqlite";
import type { AggregateQuery, SeriesBucket, SeriesPoint, SeriesQuery as Query } from "@busbar/core";
import { BucketSums, shareOf } from "./bucket-sums.ts";
import { exactLimit, PointLine, spanCount } from "./point-line.ts";
import { levelOf } from "./quality.ts";
import { spans } from "./rollup-table.ts";
import { grainOf, planSegments, type Segment } from "./series-plan.ts";
import { packPoints, SeriesReader, type SeriesRow } from "./series-reader.ts";
import type { Statuses } from "./statuses.ts";

/** A query on its way to the worker: its signal stays behind. */
export type Sent<T> = Omit<T, "signal">;

/** A page of readings on its way from the worker: f64s as `packPoints` says, and what the numbers of their statuses stand for. */
export interface PackedReadings {
  readonly buffer: ArrayBuffer;
  readonly count: number;
  readonly next: number | undefined;
  readonly unit: string | undefined;
  /** Codes by the number of the status; levels of quality likewise. */
  readonly statuses: readonly (readonly [id: number, level: number, code: string | undefined])[];
}

/** The queries of series of the Store port over one connection. */
export class SeriesQuery {
  readonly #database: DatabaseSync;
  readonly #reader: SeriesReader;
  readonly #statuses: Statuses;

  constructor(database: DatabaseSync, statuses: Statuses) {
    this.#database = database;
    this.#reader = new SeriesReader(database);
    this.#statuses = statuses;
  }

  /** Store.series. `pause` is awaited between two slices; what it throws ends the query. */
  async series(query: Sent<Query> & { readonly points: number }, pause: () => Promise<void>): Promise<{ points: SeriesPoint[]; unit?: string }> {
    const { since, until } = query;
    const series = this.#reader.find(query.device, query.tag);
    const extent = series && this.#reader.extent(series, since, until);
    if (!extent) return { points: [], ...unitOf(series) };
    const line = new PointLine({ ...extent, points: query.points, ...this.#filter(query) });
    await this.#reader.read(series, this.#lineSegments(series, { ...extent, ...query }), { visitor: line, pause });
    return { points: line.thin(), ...unitOf(series) };
  }

  /** Store.aggregate. `pause` as with `series`. */
  async aggregate(query: Sent<AggregateQuery>, pause: () => Promise<void>): Promise<{ buckets: SeriesBucket[]; unit?: string }> {
    const { edges, aggregates } = query;
    const series = this.#reader.find(query.device, query.tag);
    const filter = this.#filter(query);
    const overTime = aggregates.includes("timeMean") || aggregates.includes("integral");
    const held = series && overTime ? this.#reader.valueBefore(series, edges[0]!, filter) : undefined;
    const sums = new BucketSums({ edges, aggregates, held, now: query.now ?? Infinity, ...filter });
    if (series) {
      const [from, to] = [edges[0]!, edges.at(-1)!];
      const grain = grainOf(edges);
      const exact = aggregates.some((aggregate) => shareOf(aggregate) !== undefined) ? Math.min(Math.max(series.trimmed, from), to) : to; // from here on every value is needed
      const segments = [...planSegments({ from, to: exact, grain }, series), { from: exact, to, grain: 0 as const }];
      await this.#reader.read(series, segments, { visitor: sums, pause });
    }
    return { buckets: sums.finish(), ...unitOf(series) };
  }

  /** Store.readings. */
  readings({ device, tag, since, until, limit, quality = "bad" }: Sent<Query> & { readonly limit: number }): PackedReadings {
    const series = this.#reader.find(device, tag);
    if (!series) return { buffer: new ArrayBuffer(0), count: 0, next: undefined, unit: undefined, statuses: [] };
    const worst = levelOf(quality);
    const seen = new Set<number>();
    const counts = (status: number): boolean => {
      if (this.#statuses.level(status) > worst) return false;
      seen.add(status);
      return true;
    };
    const page = packPoints(this.#database, { series: series.id, since, until, limit, counts });
    return { ...page, unit: series.unit, statuses: [...seen].map((id) => [id, this.#statuses.level(id), this.#statuses.of(id).code]) };
  }

  #filter({ quality = "bad" }: Sent<Partial<Query>>): { readonly level: number; readonly levelOf: (status: number) => number } {
    return { level: levelOf(quality), levelOf: (status) => this.#statuses.level(status) };
  }

  /** A line is read from its points, unless these are gone, or more than are kept as they are and rollups are fine enough to have the extremes of every span. */
  #lineSegments(series: SeriesRow, { since, until, first, last, points }: { readonly since: number; readonly until: number; readonly first: number; readonly last: number; readonly points: number }): Segment[] {
    const gone = Math.min(Math.max(series.trimmed, since), until);
    const width = (last - first) / spanCount(points);
    const grain = width >= spans.long ? spans.long : width >= spans.short ? spans.short : 0;
    const many = grain !== 0 && this.#reader.count(series, { from: gone, to: until, grain }) > exactLimit;
    return [...planSegments({ from: since, to: gone, grain: grain === 0 ? spans.short : grain }, series), ...planSegments({ from: gone, to: until, grain: many ? grain : 0 }, series)];
  }
}

function unitOf(series: SeriesRow | undefined): { unit?: string } {
  return series?.unit === undefined ? {} : { unit: series.unit };
}
