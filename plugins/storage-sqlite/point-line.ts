import type { SeriesPoint } from "@busbar/core";
import { lttb } from "./lttb.ts";
import type { Rollup } from "./rollup-table.ts";
import type { SeriesVisitor } from "./series-reader.ts";

/** What of a line is wanted. */
export interface LinePlan {
  /** The first and the last time that there may be points at, to be divided into spans once the line is too long to be kept whole. */
  readonly first: number;
  readonly last: number;
  readonly points: number;
  /** The place of the worst quality that counts. */
  readonly level: number;
  /** The place of the quality of a status. */
  readonly levelOf: (status: number) => number;
}

interface Extremes {
  minTime: number;
  min: number;
  maxTime: number;
  max: number;
}

/** Up to so many points are thinned as they are; of more, first the smallest and the largest of each of four spans per wanted point. */
export const exactLimit = 200_000;

/** How many spans of time a long line is divided into, of each of which the smallest and the largest point stay. */
export function spanCount(points: number): number {
  return Math.min(Math.max(points * 4, 1000), exactLimit / 2);
}

/** A line as it is read: whole while it is short, else the extremes of equal spans of time, besides the first and the last point. Of a rollup its first, last, smallest and largest point are read. */
export class PointLine implements SeriesVisitor {
  readonly #plan: LinePlan;
  readonly #spanCount: number;
  readonly #width: number;
  #times: number[] = [];
  #values: number[] = [];
  #spans: Extremes[] | undefined;

  constructor(plan: LinePlan) {
    this.#plan = plan;
    this.#spanCount = spanCount(plan.points);
    this.#width = Math.max(1, (plan.last - plan.first + 1) / this.#spanCount);
  }

  point(time: number, value: number | string, status: number): void {
    if (typeof value !== "number" || this.#plan.levelOf(status) > this.#plan.level) return;
    if (this.#spans) return this.#fold(time, value);
    this.#times.push(time);
    this.#values.push(value);
    if (this.#times.length > exactLimit) this.#startFolding();
  }

  rollup({ tallies }: Rollup): void {
    const tally = tallies[this.#plan.level]!;
    if (tally.count === 0) return;
    const inside = [[tally.minAt, tally.min], [tally.maxAt, tally.max]].sort(([one], [other]) => one! - other!);
    let before = -1;
    for (const [time, value] of [[tally.firstAt, tally.first], ...inside, [tally.lastAt, tally.last]]) {
      if (time! > before) this.point(time!, value!, 0);
      before = Math.max(before, time!);
    }
  }

  /** The points that stay, in order of time. */
  thin(): SeriesPoint[] {
    if (this.#spans) {
      const line = new Map<number, number>([[this.#times[0]!, this.#values[0]!]]);
      for (const { minTime, min, maxTime, max } of Object.values(this.#spans)) {
        const pair = [[minTime, min], [maxTime, max]] as const;
        for (const [time, value] of minTime <= maxTime ? pair : [pair[1], pair[0]]) line.set(time, value);
      }
      line.set(this.#times[1]!, this.#values[1]!);
      this.#times = [...line.keys()];
      this.#values = [...line.values()];
    }
    return lttb(this.#times, this.#values, this.#plan.points).map((at) => ({ time: this.#times[at]!, value: this.#values[at]! }));
  }

  #startFolding(): void {
    const [times, values] = [this.#times, this.#values];
    [this.#times, this.#values] = [times.slice(0, 1), values.slice(0, 1)];
    this.#spans = [];
    for (let at = 0; at < times.length; at++) this.#fold(times[at]!, values[at]!);
  }

  #fold(time: number, value: number): void {
    const at = Math.min(Math.max(0, Math.floor((time - this.#plan.first) / this.#width)), this.#spanCount - 1);
    const span = (this.#spans![at] ??= { minTime: time, min: value, maxTime: time, max: value });
    if (value < span.min) [span.minTime, span.min] = [time, value];
    if (value > span.max) [span.maxTime, span.max] = [time, value];
    [this.#times[1], this.#values[1]] = [time, value];
  }
}
