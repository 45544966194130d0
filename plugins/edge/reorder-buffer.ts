/** Something that happened at a time, in ms since the Unix epoch. */
export interface Timed {
  readonly time: number;
}

/** How long and how much is waited for. */
export interface ReorderOptions {
  /** ms; how much older than the newest one may be that comes after it. */
  readonly lateness: number;
  /** How many may wait; beyond it the oldest goes on early. */
  readonly limit: number;
}

/**
 * Puts the samples of one series in order of their own time. A sample waits until one comes that is newer by `lateness`; then nothing older is expected. Those of the same
 * time keep the order in which they came.
 */
export class ReorderBuffer<T extends Timed> {
  readonly #options: ReorderOptions;
  #waiting: T[] = [];
  #newest = Number.NEGATIVE_INFINITY;
  #released = Number.NEGATIVE_INFINITY;

  constructor(options: ReorderOptions) {
    this.#options = options;
  }

  /** The time of the newest sample taken in; -Infinity before the first. */
  get newest(): number {
    return this.#newest;
  }

  /** The samples that wait, in order. */
  get waiting(): readonly T[] {
    return this.#waiting;
  }

  /** Takes a sample in and gives `release` what need not wait any more, in order. False when it is too late: a newer one has gone on already. Nothing has changed then. */
  add(sample: T, release: (sample: T) => void): boolean {
    if (sample.time < this.#released) return false;
    const { lateness, limit } = this.#options;
    if (sample.time > this.#newest) this.#newest = sample.time;
    if (this.#waiting.length === 0 && sample.time <= this.#newest - lateness) {
      this.#released = sample.time;
      release(sample);
      return true;
    }
    let at = this.#waiting.length;
    while (at > 0 && this.#waiting[at - 1]!.time > sample.time) at--;
    if (at === this.#waiting.length) this.#waiting.push(sample);
    else this.#waiting.splice(at, 0, sample);
    this.release(this.#waiting.length > limit ? this.#waiting[this.#waiting.length - limit - 1]!.time : Number.NEGATIVE_INFINITY, release);
    return true;
  }

  /** Gives `release` all samples up to a time, and those that need not wait any more. */
  release(until: number, release: (sample: T) => void): void {
    const to = Math.max(until, this.#newest - this.#options.lateness);
    const end = this.#waiting.findIndex(({ time }) => time > to);
    const ready = this.#waiting.splice(0, end < 0 ? this.#waiting.length : end);
    for (const sample of ready) {
      this.#released = sample.time;
      release(sample);
    }
  }

  /** What it knows, as plain JSON. */
  snapshot(): { readonly newest: number | null; readonly released: number | null; readonly waiting: readonly T[] } {
    const finite = (time: number): number | null => (Number.isFinite(time) ? time : null);
    return { newest: finite(this.#newest), released: finite(this.#released), waiting: [...this.#waiting] };
  }

  /** Goes on from a snapshot, which the caller has checked. */
  restore({ newest, released, waiting }: { readonly newest: number | null; readonly released: number | null; readonly waiting: readonly T[] }): void {
    this.#newest = newest ?? Number.NEGATIVE_INFINITY;
    this.#released = released ?? Number.NEGATIVE_INFINITY;
    this.#waiting = waiting.toSorted((one, other) => one.time - other.time);
  }
}
