import * as v from "valibot";
import type { CounterOptions } from "./counter-increase.ts";

/** Config fields that say what a counter does: spread them into a schema, and a check of `hasOneEnd` behind it. */
export const counterFields = {
  bits: v.pipe(v.optional(v.picklist([8, 16, 32, 64])), v.description("The width of the counter: behind its last value it goes on from 0. Default: it never rolls over, and a lower value means that it was set back to 0.")),
  last: v.pipe(v.optional(v.pipe(v.number(), v.integer(), v.minValue(1))), v.description("The last value of the counter instead of `bits`, such as 999999 for one of six digits.")),
  fastest: v.pipe(v.optional(v.pipe(v.number(), v.finite(), v.gtValue(0))), v.description("The most that the counter can rise, per `per`. What would be more is none: an exchanged meter, a reading gone wrong. Default: not known.")),
};

interface CounterConfig {
  readonly bits?: 8 | 16 | 32 | 64 | undefined;
  readonly last?: number | undefined;
  readonly fastest?: number | undefined;
}

/** What the fields must fulfil together, for `v.check`. */
export function hasOneEnd({ bits, last }: CounterConfig): boolean {
  return bits === undefined || last === undefined;
}

/** What is wrong where they do not. */
export const twoEnds = "has both bits and last: it must have one of them";

/** Units of time, ms and as they stand in a unit. */
export const perUnits = { second: { ms: 1000, symbol: "s" }, minute: { ms: 60_000, symbol: "min" }, hour: { ms: 3_600_000, symbol: "h" } } as const;

/** What the fields say. `per`: ms. */
export function counterOptions({ bits, last, fastest }: CounterConfig, per: number): CounterOptions {
  return { modulus: bits === undefined ? (last === undefined ? undefined : last + 1) : 2 ** bits, maxRate: fastest === undefined ? undefined : fastest / per };
}
