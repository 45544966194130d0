import type { DatabaseSync, StatementSync } from "node:sqlite";
import { qualities } from "./quality.ts";
import { ceilTo, floorTo, RollupTable, spans, type Rollup } from "./rollup-table.ts";
import type { Statuses } from "./statuses.ts";
import { addValue, emptyTally, type Tally } from "./tally.ts";

/** A series that is to be rolled up. */
export interface Unrolled {
  readonly id: number;
  /** Up to here it is, ms since the Unix epoch. */
  readonly rolled: number;
  /** Its newest source time. */
  readonly time: number;
}

/** How far rolling up has come. */
export interface Rolled {
  readonly rolled: number;
  /** Readings that were looked at. */
  readonly readings: number;
  /** Whether everything before the end that was given is rolled up now. */
  readonly done: boolean;
}

type PointRow = [time: number, value: number | string, status: number];

/**
 * Rolls points up into the table of rollups, each call within the transaction that is open. Rollups are always made of the points themselves, a whole span at a time: a point may
 * replace another one, which no running sum survives. So storing a reading costs nothing more; a late one only makes its span stale.
 */
export class Roller {
  readonly rollups: RollupTable;
  readonly #statuses: Statuses;
  readonly #points: StatementSync;
  readonly #stale: StatementSync;
  readonly #fresh: StatementSync;
  readonly #set: StatementSync;

  constructor(database: DatabaseSync, statuses: Statuses) {
    this.rollups = new RollupTable(database);
    this.#statuses = statuses;
    this.#points = database.prepare("select time, value, status from point where series = ? and time >= ? and time < ? order by time limit ?");
    this.#points.setReturnArrays(true);
    this.#stale = database.prepare("select start from stale where series = ? and start < ? order by start");
    this.#fresh = database.prepare("delete from stale where series = ? and start = ?");
    this.#set = database.prepare("update series set rolled = ? where id = ?");
  }

  /** Rolls a series up to `end` or its newest point, after some `limit` readings no further; first what is stale. `end` is the start of a short span. */
  roll(series: Unrolled, end: number, limit: number): Rolled {
    const { id } = series;
    let readings = 0;
    const long = new Set<number>();
    for (const { start } of this.#stale.all(id, end) as { start: number }[]) {
      if (readings >= limit) break;
      readings += 1 + this.#rollSpan(id, start);
      this.#fresh.run(id, start);
      if (floorTo(start, spans.long) + spans.long <= series.rolled) long.add(floorTo(start, spans.long));
    }
    for (const start of long) this.rollups.writeLong(id, start);
    let { rolled } = series;
    const target = Math.min(end, ceilTo(series.time + 1, spans.short));
    while (rolled < target && readings < limit) {
      const step = this.#rollOn(id, { from: rolled, to: target, limit: limit - readings });
      readings += 1 + step.readings;
      rolled = step.rolled;
    }
    if (rolled !== series.rolled) this.#set.run(rolled, id);
    return { rolled, readings, done: rolled >= target && this.#stale.get(id, end) === undefined };
  }

  /** The spans of `[from, to)`, as far as they end within some `limit` points, but at least one with points. */
  #rollOn(id: number, { from, to, limit }: { readonly from: number; readonly to: number; readonly limit: number }): { readonly rolled: number; readonly readings: number } {
    let rows = this.#points.all(id, from, to, limit + 1) as unknown as PointRow[];
    let rolled = to;
    if (rows.length > limit) {
      rolled = floorTo(rows.at(-1)![0], spans.short);
      const first = floorTo(rows[0]![0], spans.short);
      if (rolled > first) {
        rows = rows.slice(0, rows.findLastIndex(([time]) => time < rolled) + 1);
      } else {
        rolled = first + spans.short;
        rows = this.#points.all(id, first, rolled, -1) as unknown as PointRow[];
      }
    }
    const long = new Set([floorTo(from, spans.long)]);
    for (let at = 0; at < rows.length; ) {
      const start = floorTo(rows[at]![0], spans.short);
      let end = at;
      while (end < rows.length && rows[end]![0] < start + spans.short) end++;
      this.rollups.write(id, spans.short, this.#tally(start, rows.slice(at, end)));
      long.add(floorTo(start, spans.long));
      at = end;
    }
    for (const start of long) if (start + spans.long <= rolled) this.rollups.writeLong(id, start);
    return { rolled, readings: rows.length };
  }

  #rollSpan(id: number, start: number): number {
    const rows = this.#points.all(id, start, start + spans.short, -1) as unknown as PointRow[];
    this.rollups.write(id, spans.short, this.#tally(start, rows));
    return rows.length;
  }

  #tally(start: number, rows: readonly PointRow[]): Rollup {
    const tallies: Tally[] = [emptyTally()];
    for (const [time, value, status] of rows) {
      const level = this.#statuses.level(status);
      while (tallies.length <= level) tallies.push({ ...tallies.at(-1)! }); // up to now the levels have been the same
      for (let at = level; at < tallies.length; at++) {
        if (typeof value === "number") addValue(tallies[at]!, time, value);
        else tallies[at]!.empty++;
      }
    }
    while (tallies.length < qualities.length) tallies.push(tallies.at(-1)!);
    return { start, tallies };
  }
}
