import { duration, integer } from "@busbar/core";
import * as v from "valibot";
import { aggregateNames, aggregateText, isAggregate, needsArea } from "./aggregate.ts";
import { counterFields, hasOneEnd, twoEnds } from "./counter-fields.ts";
import { tagsField } from "./glob.ts";
import { commonDivisor } from "./time-windows.ts";

const longest = 366 * 86_400_000;
/** Panes (see `TimeWindows`) that one series may need at a time. */
const paneLimit = 10_000;

const aggregateName = v.pipe(
  v.string(),
  v.check(isAggregate, ({ input }) => `is no aggregate: ${JSON.stringify(input)}; allowed: ${aggregateNames.join(", ")}, and p0 to p100`),
);

/** Config of the step `windows`. */
export const windowsConfig = v.pipe(
  v.strictObject({
    size: v.pipe(v.optional(duration(100, longest)), v.description("The length of a window of time, such as 1m; 100ms to 366d. Either this or `count`.")),
    count: v.pipe(v.optional(integer(1, 1_000_000)), v.description("The number of readings of a window instead, 1 to 1000000. They may be of any quality.")),
    every: v.pipe(
      v.optional(v.union([duration(100, longest), integer(1, 1_000_000)])),
      v.description("How often a window ends: a duration, or with `count` a number of readings of which `count` is a multiple. Less than the length gives sliding windows. Default: the length, so that each window begins where the one before ended."),
    ),
    zone: v.pipe(v.optional(v.pipe(v.string(), v.regex(/^[+-](?:0\d|1[0-4]):[0-5]\d$/, "must be an offset such as +02:00")), "+00:00"), v.description("The offset from UTC by whose midnight windows are laid out, such as +02:00. Default +00:00.")),
    aggregates: v.pipe(v.optional(v.pipe(v.array(aggregateName), v.minLength(1), v.maxLength(50)), ["mean", "min", "max"]), v.description(`What is told of each window. ${aggregateText}. Default mean, min, max.`)),
    tags: tagsField(),
    name: v.pipe(
      v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(200), v.includes("{tag}")), "{tag}.{aggregate}"),
      v.description("The tag of each result, made of {tag} and {aggregate}. Default {tag}.{aggregate}."),
    ),
    lateness: v.pipe(v.optional(duration(0, 7 * 86_400_000), 5000), v.description("How much older than the newest of its series a reading may be and still count; results wait that long. Default 5s, 0 to 7d.")),
    idle: v.pipe(v.optional(duration(100, 7 * 86_400_000), 10_000), v.description("After how long without a reading of a series its windows close by the clock. For sources that send in bursts it must be longer than the pause between them. Default 10s, 100ms to 7d.")),
    gap: v.pipe(v.optional(duration(1, longest)), v.description("The longest time between two readings that the line through them bridges (time-mean, integral, coverage), and that counters are followed over. Default: the length of a window, with `count` 1h.")),
    stepped: v.pipe(v.optional(v.boolean(), false), v.description("Whether a value holds until the next one, instead of leading to it in a straight line. Booleans always do. Default false.")),
    per: v.pipe(v.optional(v.picklist(["second", "minute", "hour"]), "hour"), v.description("The unit of time of integral and rate. Default hour: kW become kWh.")),
    good: v.pipe(v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1)), 1), v.description("The share of good readings from which on a result is good; below it it is uncertain, and bad without any value. Default 1, 0 to 1.")),
    ...counterFields,
    samples: v.pipe(v.optional(integer(100, 100_000), 1000), v.description("Values of a window up to which percentiles are exact. Beyond, in so much memory, their rank is off by at most log2(n / samples) / samples. Default 1000, 100 to 100000.")),
    waiting: v.pipe(v.optional(integer(1, 100_000), 1000), v.description("Readings of a series that may wait for late ones; beyond it the oldest goes on. Default 1000, 1 to 100000.")),
    series: v.pipe(v.optional(integer(1, 1_000_000), 10_000), v.description("Series (a tag on a topic) at a time; beyond it those that were quiet longest are closed and forgotten. Default 10000, 1 to 1000000.")),
  }),
  v.check(({ size, count }) => (size === undefined) !== (count === undefined), "must have one of `size` and `count`"),
  v.forward(v.check(({ size, count, every }) => every === undefined || (typeof every === "number" && every <= (size ?? count ?? 0)), "must not be longer than the window"), ["every"]),
  v.forward(v.check(({ count, every }) => count === undefined || every === undefined || (Number.isInteger(every) && count % every === 0), "must go into `count` without a remainder"), ["every"]),
  v.forward(
    v.check(({ size, every = size, gap, aggregates }) => size === undefined || every === undefined || paneCount(size, every, aggregates.some(needsArea) ? (gap ?? size) : 0) <= paneLimit, `has so small a common divisor with \`size\`, or is so short beside \`gap\`, that a series would need more than ${paneLimit} parts of a window`),
    ["every"],
  ),
  v.forward(v.check(({ name, aggregates }) => aggregates.length === 1 || name.includes("{aggregate}"), "must contain {aggregate}, as there is more than one"), ["name"]),
  v.check((config) => hasOneEnd(config), twoEnds),
);

function paneCount(size: number, every: number, gap: number): number {
  return (size + gap) / commonDivisor(size, every);
}
