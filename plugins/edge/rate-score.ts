/** How fast a value may change, in its unit per second; undefined: as fast as it likes. */
export interface RateOptions {
  readonly rise: number | undefined;
  readonly fall: number | undefined;
  /** Milliseconds of the source that a rate is measured over at least. */
  readonly over: number;
}

/** What is remembered of a series, plain JSON: the sample that the next one is compared with. */
export interface RateState {
  value: number;
  time: number;
}

/**
 * How fast a value has changed since the sample remembered, as a share of what is allowed: 1 and more is an anomaly; undefined for the first one, and while less than `over`, or no time
 * at all, has passed. What is judged is what the next one is compared with.
 */
export function rateScore(state: RateState | undefined, options: RateOptions, sample: { readonly value: number; readonly time: number }): { readonly state: RateState; readonly score: number | undefined } {
  const next = { value: sample.value, time: sample.time };
  if (state === undefined) return { state: next, score: undefined };
  const seconds = (sample.time - state.time) / 1000;
  if (seconds <= 0 || sample.time - state.time < options.over) return { state, score: undefined };
  const rate = (sample.value - state.value) / seconds;
  const allowed = rate > 0 ? options.rise : options.fall;
  return { state: next, score: allowed === undefined ? 0 : Math.abs(rate) / allowed };
}
