import type { SeriesAggregate, SeriesBucket } from "@busbar/core";
import { percentile } from "./percentile.ts";
import { readingsIn, type Rollup } from "./rollup-table.ts";
import type { SeriesVisitor } from "./series-reader.ts";
import { StorageFault } from "./storage-fault.ts";
import { addTally, addValue, emptyTally } from "./tally.ts";

/** What is wanted of the buckets. */
export interface BucketPlan {
  /** Ascending; bucket i is `[edges[i], edges[i + 1])`. */
  readonly edges: readonly number[];
  readonly aggregates: readonly SeriesAggregate[];
  /** The place of the worst quality that counts. */
  readonly level: number;
  /** The place of the quality of a status. */
  readonly levelOf: (status: number) => number;
  /** The value that counts before the first edge; undefined = none. */
  readonly held: number | undefined;
  /** A value holds no longer than until then, unless a later one is there. */
  readonly now: number;
}

/** Values of one bucket that a percentile is taken of: they are in memory all at once. */
const maxValues = 2_000_000;

/** The share of a percentile, 0 to 1; undefined for another aggregate. */
export function shareOf(aggregate: SeriesAggregate): number | undefined {
  if (aggregate === "median") return 0.5;
  return /^p\d/.test(aggregate) ? Number(aggregate.slice(1)) / 100 : undefined;
}

/** Sums up the values of a series in buckets, in order of time. */
export class BucketSums implements SeriesVisitor {
  readonly #plan: BucketPlan;
  readonly #collects: boolean;
  readonly #buckets: SeriesBucket[] = [];
  #tally = emptyTally();
  #values: number[] = [];
  #readings = 0;
  #good = 0;
  #held: number | undefined;

  constructor(plan: BucketPlan) {
    this.#plan = plan;
    this.#held = plan.held;
    this.#collects = plan.aggregates.some((aggregate) => shareOf(aggregate) !== undefined);
  }

  point(time: number, value: number | string, status: number): void {
    this.#advance(time);
    const level = this.#plan.levelOf(status);
    this.#readings++;
    if (level === 0) this.#good++;
    if (level > this.#plan.level || typeof value !== "number") return;
    addValue(this.#tally, time, value);
    if (!this.#collects) return;
    if (this.#values.push(value) > maxValues) throw new StorageFault("TOO_LARGE", `Cannot take a percentile: a bucket holds more than ${maxValues} values`);
  }

  rollup(rollup: Rollup): void {
    this.#advance(rollup.start);
    this.#readings += readingsIn(rollup);
    this.#good += rollup.tallies[0]!.count + rollup.tallies[0]!.empty;
    addTally(this.#tally, rollup.tallies[this.#plan.level]!);
  }

  /** Every bucket, once all has been read. */
  finish(): SeriesBucket[] {
    this.#advance(Infinity);
    return this.#buckets;
  }

  #advance(time: number): void {
    const { edges } = this.#plan;
    while (this.#buckets.length < edges.length - 1 && time >= edges[this.#buckets.length + 1]!) this.#close();
  }

  #close(): void {
    const { edges, aggregates } = this.#plan;
    const tally = this.#tally;
    const start = edges[this.#buckets.length]!;
    const sorted = this.#values.length === tally.count ? Float64Array.from(this.#values).sort() : undefined; // not so where rollups stand for points that are gone
    const values: Record<string, number | null> = {};
    for (const aggregate of aggregates) values[aggregate] = this.#value(aggregate, { sorted, start, end: edges[this.#buckets.length + 1]! });
    this.#buckets.push({ start, count: tally.count, good: this.#readings === 0 ? null : this.#good / this.#readings, values });
    if (tally.count > 0) this.#held = tally.last;
    this.#tally = emptyTally();
    this.#values = [];
    this.#readings = this.#good = 0;
  }

  #value(aggregate: SeriesAggregate, bucket: { readonly sorted: Float64Array | undefined; readonly start: number; readonly end: number }): number | null {
    const tally = this.#tally;
    if (aggregate === "timeMean" || aggregate === "integral") return this.#overTime(aggregate, bucket);
    if (tally.count === 0) return null;
    const share = shareOf(aggregate);
    if (share !== undefined) return bucket.sorted === undefined ? null : percentile(bucket.sorted, share);
    if (aggregate === "mean") return tally.sum / tally.count;
    if (aggregate === "stddev") return Math.sqrt(Math.max(0, tally.m2 / tally.count));
    if (aggregate === "range") return tally.max - tally.min;
    return tally[aggregate as "min" | "max" | "sum" | "first" | "last"];
  }

  /** The values weighted with how long each held: from the one before the bucket on, where there is one, until the bucket ends or now. */
  #overTime(aggregate: "timeMean" | "integral", { start, end }: { readonly start: number; readonly end: number }): number | null {
    const { count, firstAt, last, lastAt, area } = this.#tally;
    const until = Math.min(end, Math.max(this.#plan.now, count > 0 ? lastAt : start));
    const from = this.#held !== undefined ? start : count > 0 ? firstAt : until;
    if (from >= until) return count > 0 && aggregate === "timeMean" ? last : null;
    let sum = count > 0 ? area + last * (until - lastAt) : 0;
    if (this.#held !== undefined) sum += this.#held * ((count > 0 ? firstAt : until) - start);
    return aggregate === "integral" ? sum / 1000 : sum / (until - from);
  }
}
