/** A counter's value: a whole number; one beyond 2^53 is a bigint. */
export type CounterValue = number | bigint;

/** What a counter is known to do. */
export interface CounterOptions {
  /** How many values it has, such as 65,536: behind the last it goes on from 0. Undefined where it never rolls over. */
  readonly modulus: number | undefined;
  /** The most that it can rise by per ms. Undefined where that is not known. */
  readonly maxRate?: number | undefined;
}

/** By how much a counter rose, and how that is known: it went up, rolled over, was set back to 0, or rose by more than it can (then the increase is 0). */
export interface CounterIncrease {
  readonly by: number;
  readonly how: "up" | "rollover" | "reset" | "jump";
}

/** The value of a counter from a reading: a number, or a decimal string, which is how integers beyond 2^53 travel (WIRE §1). Undefined for anything else, and for less than 0. */
export function parseCounter(value: unknown): CounterValue | undefined {
  if (typeof value === "number") return Number.isFinite(value) && value >= 0 ? value : undefined;
  if (typeof value === "bigint") return value >= 0n ? value : undefined;
  if (typeof value !== "string" || !/^\d{1,20}$/.test(value)) return undefined;
  const whole = BigInt(value);
  return whole <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(whole) : whole;
}

/**
 * By how much a counter rose within `elapsed` ms. A value less than the one before means that it rolled over, where it can and would then have risen by no more than half of its range and
 * no faster than `maxRate`; else that it was set back to 0 and has counted up to its value since.
 */
export function counterIncrease(before: CounterValue, now: CounterValue, { counter, elapsed }: { readonly counter: CounterOptions; readonly elapsed: number }): CounterIncrease {
  const { modulus, maxRate } = counter;
  const most = maxRate === undefined ? Number.POSITIVE_INFINITY : maxRate * elapsed;
  const rise = difference(now, before);
  if (rise >= 0) return rise <= most ? { by: rise, how: "up" } : { by: 0, how: "jump" };
  if (modulus !== undefined && before < modulus) {
    const around = typeof before === "bigint" || typeof now === "bigint" ? Number(BigInt(modulus) + toBigInt(now) - toBigInt(before)) : modulus + rise;
    if (around <= modulus / 2 && around <= most) return { by: around, how: "rollover" };
  }
  const since = Number(now);
  return { by: since <= most ? since : 0, how: "reset" };
}

function difference(one: CounterValue, other: CounterValue): number {
  if (typeof one === "number" && typeof other === "number") return one - other;
  return Number(toBigInt(one) - toBigInt(other));
}

/** A counter that is counted in parts of a unit passes 2^53 without them. */
function toBigInt(value: CounterValue): bigint {
  return typeof value === "bigint" ? value : BigInt(Math.trunc(value));
}
