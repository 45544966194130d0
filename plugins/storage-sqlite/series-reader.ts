import type { DatabaseSync, StatementSync } from "node:sqlite";
import { RollupTable, spans, type Rollup, type Span } from "./rollup-table.ts";
import type { RollupState, Segment } from "./series-plan.ts";
import { StorageFault } from "./storage-fault.ts";

/** A series as its row says. */
export interface SeriesRow extends RollupState {
  readonly id: number;
  readonly unit: string | undefined;
  /** Points before this time, ms since the Unix epoch, may have been removed. */
  readonly trimmed: number;
}

/** One point: source time, value (empty text = none), number of its status (statuses.ts). */
export type PointRow = readonly [time: number, value: number | string, status: number];

/** Takes what is read of a series, in order of time. */
export interface SeriesVisitor {
  point(time: number, value: number | string, status: number): void;
  rollup(rollup: Rollup): void;
}

/** Points or rows of rollups read at once; between two slices other work of the thread gets its turn. */
const slice = 20_000;

/** Reads series over one connection. */
export class SeriesReader {
  readonly #find: StatementSync;
  readonly #stale: StatementSync;
  readonly #points: StatementSync;
  readonly #rollups: RollupTable;
  readonly #back: StatementSync;
  readonly #extent: StatementSync;

  constructor(database: DatabaseSync) {
    this.#find = database.prepare("select id, unit, rolled, trimmed from series where device = ? and tag = ?");
    this.#stale = database.prepare("select start from stale where series = ? order by start");
    this.#points = database.prepare("select time, value, status from point where series = ? and time >= ? and time < ? order by time limit ?");
    this.#points.setReturnArrays(true); // a day of seconds as objects takes 50 ms, as arrays 14
    this.#back = database.prepare("select time, value, status from point where series = ? and time < ? order by time desc limit 1000");
    this.#back.setReturnArrays(true);
    this.#extent = database.prepare("select (select time from point where series = ?1 and time >= ?2 and time < ?3 order by time limit 1) as first, (select time from point where series = ?1 and time >= ?2 and time < ?3 order by time desc limit 1) as last");
    this.#rollups = new RollupTable(database);
  }

  /** The series of a tag, or undefined. */
  find(device: string, tag: string): SeriesRow | undefined {
    const row = this.#find.get(device, tag) as { id: number; unit: string | null; rolled: number; trimmed: number } | undefined;
    return row && { ...row, unit: row.unit ?? undefined, stale: this.#stale.all(row.id).map(({ start }) => start as number) };
  }

  /** Hands the segments to the visitor, in order. `pause` is awaited between two slices; what it throws ends the reading. */
  async read(series: SeriesRow, segments: readonly Segment[], { visitor, pause }: { readonly visitor: SeriesVisitor; readonly pause: () => Promise<void> }): Promise<void> {
    for (const { from, to, grain } of segments) {
      for (let at: number | undefined = from; at !== undefined; ) {
        if (at !== from) await pause();
        if (grain === 0) {
          const rows = this.#points.all(series.id, at, to, slice) as unknown as PointRow[];
          for (const [time, value, status] of rows) visitor.point(time, value, status);
          at = rows.length < slice ? undefined : rows.at(-1)![0] + 1;
        } else {
          const { rollups, next } = this.#rollups.read(series.id, grain, { from: at, to, limit: slice });
          for (const rollup of rollups) visitor.rollup(rollup);
          at = next;
        }
      }
    }
  }

  /** The last value before a time of which `counts` says that it does, among the 1,000 points before, or of a rollup where the points are gone. */
  valueBefore(series: SeriesRow, time: number, { level, levelOf }: { readonly level: number; readonly levelOf: (status: number) => number }): number | undefined {
    const rows = this.#back.all(series.id, time) as unknown as PointRow[];
    if (rows.length > 0) return rows.find(([, value, status]) => typeof value === "number" && levelOf(status) <= level)?.[1] as number | undefined;
    const tally = this.#rollups.readLast(series.id, spans.short, time)?.tallies[level];
    return tally !== undefined && tally.count > 0 && tally.lastAt < time ? tally.last : undefined;
  }

  /** The first and the last time within `[since, until)` that there may be a reading at; undefined when there is none. */
  extent(series: SeriesRow, since: number, until: number): { readonly first: number; readonly last: number } | undefined {
    const point = this.#extent.get(series.id, since, until) as { first: number | null; last: number | null };
    const rollup = series.trimmed > since ? this.#rollups.read(series.id, spans.short, { from: since, to: Math.min(until, series.trimmed), limit: 4 }).rollups[0] : undefined;
    const first = rollup?.start ?? point.first;
    if (first === null) return undefined;
    return { first, last: point.last ?? Math.min(until, series.trimmed) - 1 };
  }

  /** Good values in the rollups of a span that begin in `[from, to)`. */
  count(series: SeriesRow, { from, to, grain }: { readonly from: number; readonly to: number; readonly grain: Span }): number {
    return this.#rollups.count(series.id, grain, { from, to });
  }
}

/** A page of the points in `[since, until)` as they were stored, packed for the way to the main thread: of each its time, time of arrival (NaN = unknown), value (NaN = none) and status, as f64. */
export function packPoints(database: DatabaseSync, { series, since, until, limit, counts }: { readonly series: number; readonly since: number; readonly until: number; readonly limit: number; readonly counts: (status: number) => boolean }): { readonly buffer: ArrayBuffer; readonly count: number; readonly next: number | undefined } {
  const page = database.prepare("select time, lag, value, status from point where series = ? and time >= ? and time < ? order by time limit ?");
  page.setReturnArrays(true);
  const rows = page.all(series, since, until, limit) as unknown as [number, number | null, number | string, number][];
  const values = new Float64Array(rows.length * 4);
  let count = 0;
  for (const [time, lag, value, status] of rows) {
    if (!counts(status)) continue;
    values.set([time, lag === null ? NaN : time + lag, typeof value === "number" ? value : NaN, status], count++ * 4);
  }
  return { buffer: values.buffer, count, next: rows.length < limit ? undefined : rows.at(-1)![0] + 1 };
}

/** Refuses to go on. */
export function cancelled(): StorageFault {
  return new StorageFault("CLOSED", "Cannot answer the query: it was cancelled");
}
