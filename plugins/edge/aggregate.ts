import type { WindowStatistics } from "./window-statistics.ts";

/** What the aggregates of a window depend on besides its samples. */
export interface AggregateOptions {
  /** The length of the window, ms. */
  readonly length: number;
  /** The unit of time of `integral` and `rate`, ms. */
  readonly per: number;
}

/** Aggregates by name, and what each is. Undefined where there is nothing to tell. */
const table: Readonly<Record<string, readonly [text: string, value: (statistics: WindowStatistics, options: AggregateOptions) => number | undefined]>> = {
  mean: ["the mean of the values", (of) => some(of, of.mean)],
  "time-mean": ["the mean over time: the area below the line through the values by the time it covers", (of) => (of.covered > 0 ? of.area / of.covered : undefined)],
  min: ["the least value", (of) => some(of, of.min)],
  max: ["the greatest value", (of) => some(of, of.max)],
  range: ["the greatest value less the least", (of) => some(of, of.max - of.min)],
  sum: ["the sum of the values", (of) => some(of, of.sum)],
  first: ["the first value", (of) => of.first],
  last: ["the last value", (of) => of.last],
  delta: ["the last value less the first", (of) => (of.first === undefined || of.last === undefined ? undefined : of.last - of.first)],
  stddev: ["the standard deviation of the values as a sample (n - 1); from two values on", (of) => (of.count > 1 ? Math.sqrt(Math.max(0, of.squares) / (of.count - 1)) : undefined)],
  "stddev-population": ["the standard deviation of the values as the whole population (n)", (of) => some(of, Math.sqrt(Math.max(0, of.squares) / of.count))],
  median: ["the same as p50", (of) => of.quantiles([0.5])[0]],
  integral: ["the area below the line through the values, per `per`", (of, { per }) => (of.covered > 0 ? of.area / per : undefined)],
  coverage: ["how much of the window that line covers, 0 to 1", (of, { length }) => (length > 0 ? Math.min(1, of.covered / length) : undefined)],
  increase: ["by how much a counter rose, over roll-overs and resets", (of) => (of.counted > 0 ? of.increase : undefined)],
  rate: ["by how much a counter rose per `per`", (of, { per }) => (of.counted > 0 ? (of.increase * per) / of.counted : undefined)],
  count: ["how many values there are", (of) => of.count],
  good: ["the share of readings that are good, 0 to 1", (of) => (of.samples > 0 ? of.good / of.samples : undefined)],
};

const percentile = /^p(\d{1,2}(?:\.\d{1,3})?|100)$/;

/** The names of the aggregates, percentiles apart. */
export const aggregateNames: readonly string[] = Object.keys(table);

/** All aggregates with what they are, for descriptions. */
export const aggregateText: string = [...Object.entries(table).map(([name, [text]]) => `${name}: ${text}`), "p0 to p100, such as p95 or p99.9: the value below which that many percent of the values lie"].join("; ");

/** Whether there is an aggregate of that name. */
export function isAggregate(name: string): boolean {
  return Object.hasOwn(table, name) || percentile.test(name);
}

/** Whether an aggregate needs the values themselves, and not only sums of them. */
export function needsQuantiles(name: string): boolean {
  return name === "median" || percentile.test(name);
}

/** Whether an aggregate is about the line through the values, not about each of them. */
export function needsArea(name: string): boolean {
  return name === "time-mean" || name === "integral" || name === "coverage";
}

/** Whether an aggregate takes the values for those of a counter. */
export function needsCounter(name: string): boolean {
  return name === "increase" || name === "rate";
}

/** The aggregate of that name; undefined where the window has none. */
export function aggregate(name: string, statistics: WindowStatistics, options: AggregateOptions): number | undefined {
  const rank = percentile.exec(name)?.[1];
  const value = rank === undefined ? table[name]?.[1](statistics, options) : statistics.quantiles([Number(rank) / 100])[0];
  return value !== undefined && Number.isFinite(value) ? value : undefined;
}

/** The unit of an aggregate of values in `unit`: kW integrated over hours is kWh, l/min over minutes l, kWh counted per hour kWh/h. `per`: "s", "min" or "h". */
export function aggregateUnit(name: string, unit: string | undefined, per: string): string | undefined {
  if (name === "count" || name === "good" || name === "coverage" || unit === undefined) return undefined;
  if (name === "rate") return `${unit}/${per}`;
  if (name !== "integral") return unit;
  if (unit.endsWith(`/${per}`)) return unit.slice(0, -per.length - 1);
  if (per === "h" && /^[kMG]?(?:W|VA|var)$/.test(unit)) return `${unit}h`;
  return `${unit}·${per}`;
}

function some({ count }: WindowStatistics, value: number): number | undefined {
  return count > 0 ? value : undefined;
}
