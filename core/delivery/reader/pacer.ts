import type { Clock } from "../../clock.ts";

/** Milliseconds of batches that went too late which are made up for: in any second no more than a tenth beyond the rate. */
const mostLag = 100;

/**
 * Holds a source of batches down to so many entries a second: n / rate seconds lie between the beginning of a batch of n and that of the next, however long it is on its way. One that
 * begins late shortens the pause after it, so that the rate is kept where something else was in between.
 */
export class Pacer {
  readonly #clock: Clock;
  readonly #rate: number;
  /** Milliseconds since the Unix epoch; infinite before the first batch. */
  #next = Number.POSITIVE_INFINITY;
  #pause = 0;
  /** When the batch that is on its way began. */
  #began = 0;

  /** `rate`: entries a second, 0 = no limit. */
  constructor(clock: Clock, rate: number) {
    this.#clock = clock;
    this.#rate = rate;
  }

  /** The largest batch that keeps within the rate. */
  get largest(): number {
    return this.#rate === 0 ? Number.POSITIVE_INFINITY : this.#rate;
  }

  /** Milliseconds until the next batch may go: 0 = now. */
  wait(): number {
    return Math.min(Math.max(0, this.#next - this.#clock.now()), this.#pause); // a clock that is set back makes no pause longer
  }

  /** A batch goes. */
  begin(): void {
    this.#began = this.#clock.now();
  }

  /** The batch, of `count` entries, was taken. */
  spend(count: number): void {
    if (this.#rate === 0) return;
    const lag = Math.max(0, Math.min(this.#began - this.#next, mostLag));
    this.#pause = (count / this.#rate) * 1000;
    this.#next = this.#began - lag + this.#pause;
  }
}
