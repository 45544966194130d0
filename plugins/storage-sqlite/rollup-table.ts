import type { DatabaseSync, StatementSync } from "node:sqlite";
import { qualities } from "./quality.ts";
import { addTally, emptyTally, type Tally } from "./tally.ts";

/** The spans of time that are rolled up, in ms: the short one, of which every time zone's day is a multiple, and the long one, a multiple of it. */
export const spans = { short: 300_000, long: 3_600_000 } as const;

/** The length of a span. */
export type Span = (typeof spans)[keyof typeof spans];

/** What is known of one span: a tally for each filter of quality, level 0 of the good values, 1 of these and the uncertain ones, 2 of all. */
export interface Rollup {
  readonly start: number;
  /** By level. One that would be as the level before it stands in no row, and is the same object here. */
  readonly tallies: readonly Readonly<Tally>[];
}

/** Readings of a rollup, of any quality. */
export function readingsIn({ tallies }: Rollup): number {
  const all = tallies[2]!;
  return all.count + all.empty;
}

const columns = "count, empty, sum, m2, min, min_at, max, max_at, first, first_at, last, last_at, area";
const codes: Readonly<Record<Span, number>> = { [spans.short]: 0, [spans.long]: 1 };
type Row = [start: number, level: number, count: number, empty: number, ...values: number[]];

/** The table of rollups, over one connection. */
export class RollupTable {
  readonly #read: StatementSync;
  readonly #write: StatementSync;
  readonly #remove: StatementSync;
  readonly #last: StatementSync;
  readonly #count: StatementSync;

  constructor(database: DatabaseSync) {
    this.#read = database.prepare(`select start, level, ${columns} from rollup where series = ? and span = ? and start >= ? and start < ? order by start, level limit ?`);
    this.#read.setReturnArrays(true);
    this.#write = database.prepare(`insert into rollup (series, span, start, level, ${columns}) values (${"?, ".repeat(16)}?)`);
    this.#last = database.prepare("select max(start) as start from rollup where series = ? and span = ? and start < ?");
    this.#count = database.prepare("select total(count) as count from rollup where series = ? and span = ? and start >= ? and start < ? and level = 0");
    this.#remove = database.prepare("delete from rollup where series = ? and span = ? and start >= ? and start < ?");
  }

  /** Rollups of the spans that begin in `[from, to)`, in order, at most some `limit / 3`; `next` is where to go on. */
  read(series: number, span: Span, range: { readonly from: number; readonly to: number; readonly limit: number }): { readonly rollups: readonly Rollup[]; readonly next: number | undefined } {
    const rows = this.#read.all(series, codes[span], range.from, range.to, range.limit) as unknown as Row[];
    const rollups: { start: number; tallies: Tally[] }[] = [];
    for (const row of rows) {
      const [start, level] = row;
      let last = rollups.at(-1);
      if (last?.start !== start) rollups.push((last = { start, tallies: [] }));
      const before = last.tallies.at(-1) ?? emptyTally();
      while (last.tallies.length < level) last.tallies.push(before);
      last.tallies.push(tallyOf(row));
    }
    const cut = rows.length === range.limit ? rollups.pop() : undefined; // of the last one rows may be missing
    for (const { tallies } of rollups) while (tallies.length < qualities.length) tallies.push(tallies.at(-1)!);
    return { rollups, next: cut?.start };
  }

  /** The last rollup of a span that begins before a time. */
  readLast(series: number, span: Span, before: number): Rollup | undefined {
    const { start } = this.#last.get(series, codes[span], before) as { start: number | null };
    return start === null ? undefined : this.read(series, span, { from: start, to: start + 1, limit: qualities.length + 1 }).rollups[0];
  }

  /** Good values in the rollups that begin in `[from, to)`. */
  count(series: number, span: Span, { from, to }: { readonly from: number; readonly to: number }): number {
    return this.#count.get(series, codes[span], from, to)!["count"] as number;
  }

  /** Puts a rollup in the place of whatever is there, within the transaction that is open. */
  write(series: number, span: Span, { start, tallies }: Rollup): void {
    this.#remove.run(series, codes[span], start, start + 1);
    let [count, empty] = [0, 0];
    tallies.forEach((tally, level) => {
      if (tally.count === count && tally.empty === empty) return; // nothing of this level's own
      ({ count, empty } = tally);
      const common = [series, codes[span], start, level, count, empty];
      if (count === 0) this.#write.run(...common, ...Array<null>(11).fill(null));
      else this.#write.run(...common, tally.sum, tally.m2, tally.min, tally.minAt - start, tally.max, tally.maxAt - start, tally.first, tally.firstAt - start, tally.last, tally.lastAt - start, tally.area);
    });
  }

  /** Makes the long rollup that begins at `start` of the short ones in it, within the transaction that is open. */
  writeLong(series: number, start: number): void {
    const { rollups } = this.read(series, spans.short, { from: start, to: start + spans.long, limit: 1000 });
    const tallies = qualities.map((_, level) => {
      const sum = emptyTally();
      for (const rollup of rollups) addTally(sum, rollup.tallies[level]!);
      return sum;
    });
    this.write(series, spans.long, { start, tallies });
  }

  /** Removes those that begin in `[from, to)`, within the transaction that is open. Returns how many rows these were. */
  remove(series: number, { from, to }: { readonly from: number; readonly to: number }): number {
    return Object.values(codes).reduce((sum, code) => sum + Number(this.#remove.run(series, code, from, to).changes), 0);
  }
}

function tallyOf([start, _level, count, empty, sum, m2, min, minAt, max, maxAt, first, firstAt, last, lastAt, area]: Row): Tally {
  if (count === 0) return { ...emptyTally(), empty };
  return { count, empty, sum: sum!, m2: m2!, min: min!, minAt: start + minAt!, max: max!, maxAt: start + maxAt!, first: first!, firstAt: start + firstAt!, last: last!, lastAt: start + lastAt!, area: area! };
}

/** The start of the span that a time lies in. */
export function floorTo(time: number, span: Span): number {
  return time - (time % span);
}

/** The first start of a span at or after a time. */
export function ceilTo(time: number, span: Span): number {
  return floorTo(time + span - 1, span);
}
