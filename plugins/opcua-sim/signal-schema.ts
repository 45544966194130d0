import { duration } from "@busbar/core";
import * as v from "valibot";

/** 1 ms to a day, as a number of milliseconds or as text such as "30s". */
const milliseconds = (fallback: number) => v.optional(duration(1, 86_400_000), fallback);
const share = v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1)), 0);
const bound = v.optional(v.pipe(v.number(), v.finite()));
const level = v.union([v.pipe(v.number(), v.finite()), v.boolean(), v.pipe(v.string(), v.minLength(1), v.maxLength(64))]);

/**
 * How the value of a tag comes about. All times are durations (1 ms to a day), a number being milliseconds; `low` and `high` default to the tag's range;
 * `noise` is 0-1, a share of `high - low`. The numeric kinds are functions of the seed and of the time since the start alone.
 */
export const signalSchema = v.variant("kind", [
  /** A wave of the given period. `phase` 0-1 shifts it by that share of a period. */
  v.strictObject({ kind: v.literal("sine"), period: milliseconds(60_000), phase: share, noise: share, low: bound, high: bound }),
  /** Wanders between `low` and `high`; `period` is about how long it takes to cross from one to the other. */
  v.strictObject({ kind: v.literal("random-walk"), period: milliseconds(60_000), low: bound, high: bound }),
  /** Takes one level after the other, each for `every`; `shuffled` draws the next one instead. */
  v.strictObject({ kind: v.literal("step"), levels: v.pipe(v.array(level), v.minLength(1), v.maxLength(256)), every: milliseconds(10_000), shuffled: v.optional(v.boolean(), false) }),
  /** Rests at `low` and once in each stretch of `every`, at a drawn moment, rises to `high` and falls back within `width`. */
  v.strictObject({ kind: v.literal("spike"), every: milliseconds(30_000), width: milliseconds(1_000), noise: share, low: bound, high: bound }),
  /** Counts up by `rate` per second from the lower end of the range and begins there again at the upper end. */
  v.strictObject({ kind: v.literal("counter"), rate: v.optional(v.pipe(v.number(), v.minValue(0.000_001), v.maxValue(1_000_000)), 1) }),
  /** Stays at `value`. */
  v.strictObject({ kind: v.literal("constant"), value: level }),
  /** Holds what was last written, at first `value`: the tag is writable. */
  v.strictObject({ kind: v.literal("setpoint"), value: level }),
  /**
   * Follows the tag `of` of the same machine with a first-order lag of `lag`: the target is `offset + factor * of`,
   * or the lower end of the range while the boolean tag `while` is false.
   */
  v.strictObject({
    kind: v.literal("follow"),
    of: v.string(),
    while: v.optional(v.string()),
    factor: v.optional(v.pipe(v.number(), v.finite()), 1),
    offset: v.optional(v.pipe(v.number(), v.finite()), 0),
    lag: milliseconds(5_000),
    noise: share,
  }),
]);

/** A signal with all its defaults filled in. */
export type SignalSpec = v.InferOutput<typeof signalSchema>;
