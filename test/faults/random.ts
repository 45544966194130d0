import { createRandom as createNumbers } from "@busbar/core/testkit";

/** Random numbers that a seed repeats: a failing run is named by its seed. */
export interface Random {
  /** 0 up to, not including, 1. */
  next(): number;
  /** A whole number from `low` to `high`, both included. */
  between(low: number, high: number): number;
  /** True that often: 0 never, 1 always. */
  chance(probability: number): boolean;
  pick<T>(items: readonly T[]): T;
}

/** Makes one of a seed, a whole number. */
export function createRandom(seed: number): Random {
  const next = createNumbers(seed);
  const between = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1));
  return { next, between, chance: (probability) => next() < probability, pick: (items) => items[between(0, items.length - 1)]! };
}
