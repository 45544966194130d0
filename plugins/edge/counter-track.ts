import * as v from "valibot";
import { type CounterIncrease, counterIncrease, type CounterOptions, type CounterValue, parseCounter } from "./counter-increase.ts";

/** How a counter is followed. */
export interface CounterTrackOptions extends CounterOptions {
  /** ms; after a longer time without a value the next one begins anew. */
  readonly gap: number;
}

/** What a counter did between two of its values. */
export interface CounterStep extends CounterIncrease {
  /** ms, > 0. */
  readonly elapsed: number;
}

const kept = v.nullable(v.tuple([v.number(), v.union([v.number(), v.string()])]));

/** Follows one counter from value to value. */
export class CounterTrack {
  readonly #options: CounterTrackOptions;
  #time = 0;
  #value: CounterValue | undefined;

  constructor(options: CounterTrackOptions) {
    this.#options = options;
  }

  /** The time of the last value, ms since the Unix epoch; undefined before the first. */
  get time(): number | undefined {
    return this.#value === undefined ? undefined : this.#time;
  }

  /** Takes a value in and tells what happened since the one before; undefined where that is not known: at the first, after a gap, and for one that is not newer. */
  add(time: number, value: CounterValue): CounterStep | undefined {
    const before = this.#value;
    const elapsed = time - this.#time;
    if (before !== undefined && elapsed <= 0) return undefined;
    this.#time = time;
    this.#value = value;
    if (before === undefined || elapsed > this.#options.gap) return undefined;
    const { by, how } = counterIncrease(before, value, { counter: this.#options, elapsed });
    return { by, how, elapsed };
  }

  /** What it knows, as plain JSON. */
  snapshot(): unknown {
    return this.#value === undefined ? null : [this.#time, typeof this.#value === "bigint" ? String(this.#value) : this.#value];
  }

  /** Goes on from a snapshot. False when it is none; then nothing has changed. */
  restore(snapshot: unknown): boolean {
    const { success, output } = v.safeParse(kept, snapshot);
    if (!success) return false;
    const value = output && parseCounter(output[1]);
    if (output && value === undefined) return false;
    this.#time = output?.[0] ?? 0;
    this.#value = value ?? undefined;
    return true;
  }
}
