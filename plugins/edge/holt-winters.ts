/** What kind of model: `season` is its length in values, 1 = none. Multiplicative seasons scale with the level, and need positive values. */
export interface HoltWintersModel {
  readonly season: number;
  readonly kind: "additive" | "multiplicative";
}

/** Weights of the new, each 0 to 1: of the level, of the trend, of the season; `phi` damps the trend, 1 = not at all. */
export interface Smoothing {
  readonly alpha: number;
  readonly beta: number;
  readonly gamma: number;
  readonly phi: number;
}

/** What a model remembers: plain JSON. */
export interface HoltWintersState {
  level: number;
  trend: number;
  /** One for each value of a season; empty without one. */
  seasonal: number[];
  /** Which of them the next value takes. */
  at: number;
  /** Mean square of the one-step errors, of a multiplicative model in relation to what was expected; and of how many. */
  variance: number;
  errors: number;
}

/** One point of a forecast. */
export interface ForecastPoint {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** Errors that the variance is made of at the most; older ones fade. */
const errorMemory = 1000;

/** Values that a model is begun with: two seasons, or ten values. */
export function seedLength({ season }: HoltWintersModel): number {
  return season > 1 ? 2 * season : 10;
}

/**
 * The model before the first value of `history`, which has `seedLength` values at least; null is a value that is missing. With a season: level and trend from the means of the first
 * two, indices from what is left of both (R. J. Hyndman et al., "Forecasting with Exponential Smoothing", 2008, §2.6.1). Without: the line of least squares through the first ten.
 */
export function beginHoltWinters(model: HoltWintersModel, history: readonly (number | null)[]): HoltWintersState {
  const { season, kind } = model;
  const values = fillGaps(history.slice(0, seedLength(model)));
  const state: HoltWintersState = { level: 0, trend: 0, seasonal: [], at: 0, variance: 0, errors: 0 };
  if (season <= 1) {
    const middle = (values.length - 1) / 2;
    const mean = meanOf(values);
    state.trend = values.reduce((sum, value, at) => sum + (at - middle) * (value - mean), 0) / values.reduce((sum, _value, at) => sum + (at - middle) ** 2, 0);
    state.level = mean - state.trend * (middle + 1);
    return state;
  }
  const first = meanOf(values.slice(0, season));
  state.trend = (meanOf(values.slice(season)) - first) / season;
  state.level = first - state.trend * ((season - 1) / 2 + 1);
  const line = (at: number): number => state.level + state.trend * (at + 1);
  const left = (at: number): number => (kind === "additive" ? values[at]! - line(at) : values[at]! / Math.max(line(at), first / 10)); // the line may reach zero where the second season is far above the first
  state.seasonal = Array.from({ length: season }, (_, at) => (left(at) + left(at + season)) / 2);
  return state;
}

/** Takes the next value, or null where it is missing: the model then goes on by itself. @returns the one-step error, undefined for a missing value. */
export function updateHoltWinters(state: HoltWintersState, model: HoltWintersModel, { smoothing, value }: { readonly smoothing: Smoothing; readonly value: number | null }): number | undefined {
  const { alpha, beta, gamma, phi } = smoothing;
  const multiplicative = model.kind === "multiplicative" && model.season > 1;
  const expected = state.level + phi * state.trend;
  const index = model.season > 1 ? state.seasonal[state.at]! : multiplicative ? 1 : 0;
  let error: number | undefined;
  if (value === null) {
    state.level = expected;
    state.trend *= phi;
  } else {
    const forecast = multiplicative ? expected * index : expected + index;
    error = value - forecast;
    const level = alpha * (multiplicative ? value / awayFromZero(index) : value - index) + (1 - alpha) * expected;
    state.trend = beta * (level - state.level) + (1 - beta) * phi * state.trend;
    state.level = level;
    if (model.season > 1) state.seasonal[state.at] = gamma * (multiplicative ? value / awayFromZero(expected) : value - expected) + (1 - gamma) * index;
    const relative = multiplicative ? error / awayFromZero(forecast) : error;
    state.errors = Math.min(state.errors + 1, errorMemory);
    state.variance += (relative * relative - state.variance) / state.errors;
  }
  if (model.season > 1) state.at = (state.at + 1) % model.season;
  return error;
}

/**
 * The next `horizon` values, each with the interval that reaches `deviations` standard deviations of its error to both sides. The variance of the additive model is that of
 * Hyndman 2008, §6.3 (class 1); the same in relation to the value stands in for the multiplicative one, which has none in closed form.
 */
export function forecastHoltWinters(state: HoltWintersState, model: HoltWintersModel, { smoothing, horizon, deviations }: { readonly smoothing: Smoothing; readonly horizon: number; readonly deviations: number }): ForecastPoint[] {
  const { alpha, beta, gamma, phi } = smoothing;
  const { season, kind } = model;
  const multiplicative = kind === "multiplicative" && season > 1;
  let damped = 0;
  let power = 1;
  let spread = 1;
  return Array.from({ length: horizon }, (_, step) => {
    power *= phi;
    damped += power;
    const level = state.level + damped * state.trend;
    const index = season > 1 ? state.seasonal[(state.at + step) % season]! : 0;
    const value = multiplicative ? level * index : level + index;
    const reach = deviations * Math.sqrt(state.variance * spread) * (multiplicative ? Math.abs(value) : 1);
    const passed = alpha + alpha * beta * damped + (season > 1 && (step + 1) % season === 0 ? gamma : 0);
    spread += passed * passed;
    return { value, low: value - reach, high: value + reach };
  });
}

/** A divisor keeps its sign and never gets so small that the result is no number. */
const awayFromZero = (divisor: number): number => (Math.abs(divisor) < 1e-12 ? (divisor < 0 ? -1e-12 : 1e-12) : divisor);

const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** The line between the neighbours stands in for what is missing; what is missing at an end takes the value nearest to it. */
function fillGaps(values: readonly (number | null)[]): number[] {
  const known = values.flatMap((value, at) => (value === null ? [] : [{ at, value }]));
  let next = 0;
  return values.map((value, at) => {
    if (value !== null) return value;
    while (next < known.length && known[next]!.at < at) next++;
    const [before, after] = [known[next - 1], known[next]];
    if (before && after) return before.value + ((after.value - before.value) * (at - before.at)) / (after.at - before.at);
    return (before ?? after)?.value ?? 0;
  });
}
