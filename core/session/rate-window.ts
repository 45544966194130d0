import type { Clock } from "../clock.ts";

/** Counts messages per second. */
export class RateWindow {
  readonly #limit: number;
  readonly #clock: Clock;
  #start = 0;
  #count = 0;

  /** `limit`: messages per second. */
  constructor(limit: number, clock: Clock) {
    this.#limit = limit;
    this.#clock = clock;
  }

  /** One more; false when that is too many. The clock is read only when the limit seems reached. */
  admit(): boolean {
    if (++this.#count <= this.#limit) return true;
    const now = this.#clock.now();
    if (now - this.#start < 1000) return false;
    this.#start = now;
    this.#count = 1;
    return true;
  }
}
