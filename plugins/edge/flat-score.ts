/** When a series counts as stuck. */
export interface FlatOptions {
  /** Milliseconds of the source. */
  readonly for: number;
  /** Values within a band of this width are the same, in the tag's unit. */
  readonly within: number;
}

/** What is remembered of a series, plain JSON: the band its values are in, and since when. */
export interface FlatState {
  since: number;
  low: number;
  high: number;
}

/** How long values have stayed within a band, as a share of what is allowed: 1 and more is an anomaly. A value outside of the band begins another one at itself. */
export function flatScore(state: FlatState | undefined, options: FlatOptions, sample: { readonly value: number; readonly time: number }): { readonly state: FlatState; readonly score: number } {
  const low = Math.min(state?.low ?? sample.value, sample.value);
  const high = Math.max(state?.high ?? sample.value, sample.value);
  if (state === undefined || high - low > options.within) return { state: { since: sample.time, low: sample.value, high: sample.value }, score: 0 };
  return { state: { since: state.since, low, high }, score: (sample.time - state.since) / options.for };
}
