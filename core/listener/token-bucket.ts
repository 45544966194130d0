/** Lets through `rate` a second on average, and `burst` at once after a quiet while. Times in ms. */
export class TokenBucket {
  #left: number;
  #at: number;

  /** It begins full. */
  constructor(burst: number, now: number) {
    this.#left = burst;
    this.#at = now;
  }

  /** One more; false when that is too many. */
  take(rate: number, { burst, now }: { readonly burst: number; readonly now: number }): boolean {
    this.#left = Math.min(burst, this.#left + (Math.max(0, now - this.#at) * rate) / 1000);
    this.#at = now;
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }
}
