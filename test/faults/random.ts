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

/** Makes one of a seed, a whole number (mulberry32: 32 bits of state, which is plenty to draw moments and choices). */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const between = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1));
  return { next, between, chance: (probability) => next() < probability, pick: (items) => items[between(0, items.length - 1)]! };
}
