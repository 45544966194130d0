/** The pauses between attempts: each is drawn from 0 to a limit that doubles from `min` to `max` (full jitter), so that a thousand clients that lost the same gateway do not come back together. */
export class Backoff {
  readonly #min: number;
  readonly #max: number;
  #attempt = 0;

  /** `min`, `max`: milliseconds. */
  constructor({ min, max }: { readonly min: number; readonly max: number }) {
    this.#min = min;
    this.#max = max;
  }

  /** Attempts since it last went well. */
  get attempt(): number {
    return this.#attempt;
  }

  /** Milliseconds to wait now. `worse`: attempts that this failure counts for, default 1. */
  next(worse = 1): number {
    this.#attempt += worse;
    return Math.random() * Math.min(this.#max, this.#min * 2 ** Math.min(this.#attempt - 1, 20));
  }

  /** It went well. */
  reset(): void {
    this.#attempt = 0;
  }
}
