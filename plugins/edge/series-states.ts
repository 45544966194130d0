import type { StepContext } from "@busbar/core";
import * as v from "valibot";

/** One series: the readings of one tag on one topic. */
export interface Series<S> {
  readonly topic: string;
  readonly tag: string;
  /** The newest event time it has seen, ms since the Unix epoch; -Infinity before the first. */
  newest: number;
  /** What the step remembers of it: to be changed in place, or replaced. */
  state: S;
  /** For SeriesStates alone: when it was last asked for. */
  used: number;
}

/** How states are made, said and read. */
export interface SeriesStatesOptions<S> {
  /** The state of a series of that tag that is new. */
  readonly create: (tag: string) => S;
  /** A state as plain JSON. */
  readonly save: (state: S) => unknown;
  /** The state that `save` gave; undefined where it is not one: the series then begins anew. */
  readonly load: (saved: unknown, tag: string) => S | undefined;
  /** Series at the most; beyond it up to a tenth, those that were quiet longest, is forgotten. */
  readonly limit: number;
  /** Whether a series is only to be forgotten when nothing else is left, such as one with an alarm that stands. Default: none. */
  readonly holds?: (series: Series<S>) => boolean;
  /** A series is forgotten: ends timers it may have. */
  readonly forget?: (series: Series<S>) => void;
}

/** Milliseconds by which the event time of a sample may be ahead of the gateway's clock and still make earlier samples late: a source whose clock jumps must not silence its own series. */
const aheadLimit = 60_000;

const savedSchema = v.array(v.tuple([v.string(), v.string(), v.nullable(v.number()), v.unknown()]));

/** What a step remembers of each series it has seen, of at most `limit` of them. */
export class SeriesStates<S> {
  readonly #options: SeriesStatesOptions<S>;
  readonly #context: StepContext;
  readonly #topics = new Map<string, Map<string, Series<S>>>();
  #size = 0;
  #uses = 0;
  /** The latest time that is believed. */
  #bound = Number.NEGATIVE_INFINITY;

  constructor(context: StepContext, options: SeriesStatesOptions<S>) {
    this.#context = context;
    this.#options = options;
  }

  get size(): number {
    return this.#size;
  }

  /** The series of a tag on a topic, made where it is new. */
  of(topic: string, tag: string): Series<S> {
    let tags = this.#topics.get(topic);
    if (tags === undefined) this.#topics.set(topic, (tags = new Map()));
    let series = tags.get(tag);
    if (series === undefined) {
      tags.set(tag, (series = { topic, tag, newest: Number.NEGATIVE_INFINITY, state: this.#options.create(tag), used: 0 }));
      if (++this.#size > this.#options.limit) this.#evict(series);
    }
    series.used = ++this.#uses;
    return series;
  }

  /** The same, without making one and without counting as a use. */
  find(topic: string, tag: string): Series<S> | undefined {
    return this.#topics.get(topic)?.get(tag);
  }

  /**
   * The rule of event time, the same for all steps. Gives whether a sample of this time is in order: as new as the newest of its series, or newer. It is then the newest. Else it is late: it may be passed on, but no
   * state may follow it back. A time far ahead of the gateway's clock counts as one minute ahead.
   */
  admit(series: Series<S>, time: number): boolean {
    if (time < series.newest) return false;
    if (time > this.#bound) this.#bound = this.#context.clock.now() + aheadLimit; // read only then: it costs as much as all else here
    if (time > series.newest) series.newest = Math.min(time, Math.max(series.newest, this.#bound));
    return true;
  }

  /** Every series, in no particular order. Forgetting the one at hand is allowed meanwhile. */
  *all(): Generator<Series<S>> {
    for (const tags of this.#topics.values()) yield* tags.values();
  }

  /** Forgets a series. */
  delete(series: Series<S>): void {
    const tags = this.#topics.get(series.topic);
    if (tags?.get(series.tag) !== series) return;
    tags.delete(series.tag);
    if (tags.size === 0) this.#topics.delete(series.topic);
    this.#size--;
    this.#options.forget?.(series);
  }

  /**
   * Keeps all states across restarts, and takes over those that were kept. `anyConfig`: even where the step had another config then. To be called once, in `create`. Gives whether the config is the same; undefined
   * where nothing was kept.
   */
  keep({ anyConfig }: { readonly anyConfig: boolean }): boolean | undefined {
    const kept = this.#context.keep(() => this.snapshot());
    if (kept && (kept.sameConfig || anyConfig)) this.restore(kept.state);
    return kept?.sameConfig;
  }

  /** All states as plain JSON: `[topic, tag, newest, state]` each. */
  snapshot(): unknown {
    return [...this.all()].map(({ topic, tag, newest, state }) => [topic, tag, Number.isFinite(newest) ? newest : null, this.#options.save(state)]);
  }

  /** Takes over what `snapshot` gave. What cannot be read is left out. */
  restore(saved: unknown): void {
    const parsed = v.safeParse(savedSchema, saved);
    if (!parsed.success) return this.#context.log.warn("what the step had kept cannot be read: it begins anew");
    for (const [topic, tag, newest, text] of parsed.output.slice(-this.#options.limit)) {
      const state = this.#options.load(text, tag);
      if (state === undefined) continue;
      const series = this.of(topic, tag);
      series.newest = newest ?? Number.NEGATIVE_INFINITY;
      series.state = state;
    }
  }

  /** Forgets a tenth at once, so that finding the oldest costs little for each. */
  #evict(but: Series<S>): void {
    const { holds = () => false } = this.#options;
    const oldest = [...this.all()].filter((series) => series !== but).sort((one, other) => one.used - other.used);
    const first = oldest.filter((series) => !holds(series));
    for (const series of (first.length > 0 ? first : oldest).slice(0, Math.max(1, Math.floor(this.#options.limit / 10)))) {
      this.#context.count("series-forgotten");
      this.delete(series);
    }
  }
}
