/** How a series' own past is weighed. */
export interface EwmaOptions {
  /** Standard deviations from the mean at which a value is an anomaly. */
  readonly threshold: number;
  /** Weight of a new value, 0 to 1; undefined where `halfLife` says it. */
  readonly alpha: number | undefined;
  /** Milliseconds of the source after which a value has half of its weight. */
  readonly halfLife: number | undefined;
  /** Values from which the mean is learned before anything is judged. */
  readonly warmUp: number;
  /** The standard deviation counts as this at least, in the tag's unit. */
  readonly minDeviation: number;
  /** Anomalies in succession after which they are the new normal, and the mean is learned anew. */
  readonly relearn: number;
}

/** What is remembered of a series: plain JSON. */
export interface EwmaState {
  /** Values since the mean is being learned. */
  count: number;
  mean: number;
  variance: number;
  /** Time of the last value. */
  time: number;
  /** Anomalies in succession. */
  run: number;
}

/** Nothing learned yet. */
export function freshEwma(): EwmaState {
  return { count: 0, mean: 0, variance: 0, time: 0, run: 0 };
}

/**
 * How far a value is from the exponentially weighted mean of those before it, as a share of the threshold: 1 and more is an anomaly; undefined during the warm-up. The value then
 * enters mean and variance (T. Finch, "Incremental calculation of weighted mean and variance", 2009, §9), which in the warm-up are the plain ones of all values. An anomaly enters
 * only as far as the threshold reaches, so that it neither moves the mean nor widens the variance enough to hide the next one.
 */
export function ewmaScore(state: EwmaState, options: EwmaOptions, sample: { readonly value: number; readonly time: number }): number | undefined {
  const { threshold, warmUp, minDeviation, relearn } = options;
  const difference = sample.value - state.mean;
  const learned = state.count >= warmUp;
  const reach = threshold * Math.max(Math.sqrt(state.variance), minDeviation);
  const score = learned ? scoreOf(Math.abs(difference), reach) : undefined;
  if (score !== undefined && score >= 1) {
    state.run++;
    if (state.run >= relearn) {
      Object.assign(state, { count: 1, mean: sample.value, variance: 0, time: sample.time, run: 0 });
      return score;
    }
  } else state.run = 0;
  const alpha = Math.max(weightOf(state, options, sample.time), learned ? 0 : 1 / (state.count + 1));
  const step = alpha * (score !== undefined && score > 1 ? Math.sign(difference) * reach : difference);
  state.variance = (1 - alpha) * (state.variance + (step * step) / alpha);
  state.mean += step;
  state.count = Math.min(state.count + 1, Number.MAX_SAFE_INTEGER);
  state.time = sample.time;
  return score;
}

/** A series that has never moved takes any move for an anomaly. */
const scoreOf = (distance: number, reach: number): number => (distance === 0 ? 0 : reach === 0 ? Number.MAX_VALUE : distance / reach);

/** Never 0, so that what is divided by it is finite: values of the same time count a little. */
function weightOf(state: EwmaState, { alpha, halfLife }: EwmaOptions, time: number): number {
  if (halfLife === undefined) return alpha ?? 0.05;
  return Math.max(1e-9, 1 - 2 ** (-Math.max(0, time - state.time) / halfLife));
}
