import type { DatabaseSync } from "node:sqlite";
import { usedBytes } from "./database-file.ts";
import type { Roller, Unrolled } from "./roller.ts";
import { ceilTo, floorTo, spans } from "./rollup-table.ts";

/** What one step of rolling up did. */
export interface RollStep {
  /** Readings that were looked at. */
  readonly readings: number;
  /** Whether there is more to roll up now. */
  readonly more: boolean;
}

/** What is to be removed. */
export interface SeriesLimits {
  /** Points that are older, ms since the Unix epoch by source time, go. */
  readonly before: number;
  /** Rollups that are older go. Default 0: none. */
  readonly rollupsBefore?: number | undefined;
  /** Bytes in use beyond which the oldest of all series go. */
  readonly size: number;
  /** Now, ms since the Unix epoch: readings with a later time do not say how far the series reach. Default: no limit. */
  readonly now?: number | undefined;
}

/** What one step of retention did. */
export interface SeriesRetentionStep {
  /** Points and rows of rollups. */
  readonly removed: number;
  readonly bytes: number;
  /** Whether there is more to remove now. */
  readonly more: boolean;
}

/** What upkeep works on: within one transaction. */
export interface UpkeepScope {
  readonly database: DatabaseSync;
  readonly roller: Roller;
  /** To be told how a series stands now. */
  readonly onChange: (series: { readonly device: string; readonly tag: string; readonly rolled: number; readonly trimmed: number }) => void;
}

interface Row extends Unrolled {
  readonly device: string;
  readonly tag: string;
  readonly trimmed: number;
}

/** Readings rolled up in one step. */
const stepReadings = 20_000;
/** Points removed in one step. */
const stepPoints = 10_000;
/** Series looked at in one step. */
const stepSeries = 1000;
/** How long after its end a span is rolled up: until then what comes late costs nothing. */
const grace = 60_000;
/** How much further back than the points rollups may reach when the file is too large. */
const reach = 50;

/** Rolling up and removing what is too old, a step at a time, so that whatever else the thread has to do gets its turn. */
export class SeriesUpkeep {
  #rollAt = 0;
  #retainAt = 0;

  /** Rolls up the spans that are over. `now`: ms since the Unix epoch. */
  roll({ database, roller, onChange }: UpkeepScope, now: number): RollStep {
    const end = floorTo(Math.max(0, now - grace), spans.short);
    const due = database.prepare("select id, device, tag, rolled, trimmed, time from series where id > ? and rolled < ? and time >= rolled order by id limit ?").all(this.#rollAt, end, stepSeries) as unknown as Row[];
    const stale = database.prepare("select id, device, tag, rolled, trimmed, time from series where id in (select distinct series from stale limit ?)").all(stepSeries) as unknown as Row[];
    let readings = 0;
    let left = false;
    for (const row of new Map([...stale, ...due].map((one) => [one.id, one])).values()) {
      if (readings >= stepReadings) {
        left = true;
        break;
      }
      const { rolled, readings: looked, done } = roller.roll(row, Math.max(end, row.rolled), stepReadings - readings);
      readings += looked;
      onChange({ ...row, rolled });
      if (!done) left = true;
    }
    this.#rollAt = left || due.length < stepSeries ? 0 : due.at(-1)!.id;
    return { readings, more: left || due.length === stepSeries };
  }

  /** Removes points and rollups that are too old, and the oldest of all series until the file holds no more than `size` bytes. A point is rolled up before it goes, and goes with its whole span. */
  retain(scope: UpkeepScope, limits: SeriesLimits): SeriesRetentionStep {
    const { database } = scope;
    const { before, rollupsBefore } = usedBytes(database) > limits.size ? tighten(database, limits) : { rollupsBefore: 0, ...limits };
    const next = database.prepare("select id, device, tag, rolled, trimmed, time from series where id > ? order by id limit 1");
    let removed = 0;
    let left = false;
    for (let looked = 0; looked < stepSeries && removed < stepPoints && !left; looked++) {
      const row = next.get(this.#retainAt) as Row | undefined;
      if (row === undefined) {
        this.#retainAt = 0;
        break;
      }
      removed += removeRollups(scope, row.id, rollupsBefore ?? 0);
      const points = removePoints(scope, row, { before, limit: stepPoints - removed });
      removed += points.removed;
      left = points.left;
      if (!left) this.#retainAt = row.id;
    }
    return { removed, bytes: usedBytes(database), more: left || this.#retainAt !== 0 || removed > 0 };
  }
}

/** Removes points of whole spans, as far as these are rolled up. */
function removePoints({ database, roller, onChange }: UpkeepScope, row: Row, { before, limit }: { readonly before: number; readonly limit: number }): { readonly removed: number; readonly left: boolean } {
  const end = floorTo(Math.max(0, before), spans.short);
  if (database.prepare("select 1 from point where series = ? and time < ? limit 1").get(row.id, end) === undefined) return { removed: 0, left: false };
  const { rolled, done } = roller.roll(row, end, stepReadings);
  const until = Math.min(end, rolled);
  const stale = database.prepare("select min(start) as start from stale where series = ?").get(row.id)!["start"] as number | null;
  const { time, count } = database.prepare("select max(time) as time, count(*) as count from (select time from point where series = ? and time < ? order by time limit ?)").get(row.id, Math.min(until, stale ?? until), Math.max(limit, 1)) as { time: number | null; count: number };
  const trimmed = time === null ? row.trimmed : Math.max(row.trimmed, Math.min(until, ceilTo(time + 1, spans.short)));
  if (time !== null) {
    database.prepare("delete from point where series = ? and time <= ?").run(row.id, time);
    database.prepare("update series set trimmed = ? where id = ?").run(trimmed, row.id);
  }
  onChange({ ...row, rolled, trimmed });
  return { removed: count, left: !done || count >= limit };
}

/** Removes rollups of whole long spans, some at a time. */
function removeRollups({ database, roller }: UpkeepScope, series: number, before: number): number {
  const oldest = before <= 0 ? null : (database.prepare("select min(start) as start from rollup where series = ? and span = 0").get(series)!["start"] as number | null);
  if (oldest === null) return 0;
  return roller.rollups.remove(series, { from: 0, to: floorTo(Math.min(before, oldest + stepPoints * spans.short), spans.long) });
}

/** Limits of time for a file that is too large: a twentieth of the way from the oldest point to the newest, and for rollups as much further back as they may reach. */
function tighten(database: DatabaseSync, { before, rollupsBefore = 0, now = Infinity }: SeriesLimits): { readonly before: number; readonly rollupsBefore: number } {
  const row = database.prepare("select min(oldest) as oldest, max(newest) as newest from (select (select min(time) from point where series = id) as oldest, time as newest from series)").get() as { oldest: number | null; newest: number | null };
  if (row.newest === null) return { before, rollupsBefore };
  const newest = Math.min(row.newest, now);
  const { oldest } = row;
  if (oldest === null) return { before, rollupsBefore: Math.max(rollupsBefore, newest) };
  const first = Math.max(before, oldest + Math.max(spans.short, Math.ceil((newest - oldest) / 20)));
  return { before: first, rollupsBefore: Math.max(rollupsBefore, newest - reach * (newest - first)) };
}
