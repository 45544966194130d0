/** Whole numbers from a seed, the same on every runtime (xorshift32, Marsaglia 2003). */
export class Random {
  #state: number;

  /** `seed`: any 32-bit number. */
  constructor(seed: number) {
    this.#state = (seed ^ 0x9e3779b9) | 0 || 1;
  }

  /** At least 0, below `limit`, which is at most 2^32; 0 for a limit of 0. */
  below(limit: number): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return limit === 0 ? 0 : (state >>> 0) % limit;
  }

  /** One of a list that is not empty. */
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
}
