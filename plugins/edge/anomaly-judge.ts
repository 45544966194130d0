import { ewmaScore, freshEwma, type EwmaOptions, type EwmaState } from "./ewma-score.ts";
import { flatScore, type FlatOptions, type FlatState } from "./flat-score.ts";
import { rateScore, type RateOptions, type RateState } from "./rate-score.ts";

/** What finds an anomaly: a value far from the mean, one that changes too fast, one that does not change, none at all. */
export type AnomalyMethod = "z-score" | "rate" | "flat" | "missing";

/** Which methods judge the values of a series; one that is undefined does not. */
export interface AnomalySettings {
  readonly zScore: EwmaOptions | undefined;
  readonly rate: RateOptions | undefined;
  readonly flat: FlatOptions | undefined;
  /** Share of the limit by which a score must fall below it for the anomaly to end, 0 to 1. */
  readonly hysteresis: number;
}

/** What is remembered of a series: plain JSON. */
export interface AnomalyState {
  ewma?: EwmaState | undefined;
  rate?: RateState | undefined;
  flat?: FlatState | undefined;
  /** The anomalies that have begun and not ended. */
  active: AnomalyMethod[];
  /** How many beginnings and ends have been told. */
  told: number;
  /** The last value that was judged, and its unit. */
  last?: { value: number; unit?: string | undefined } | undefined;
}

/** A beginning or an end. */
export interface AnomalyFinding {
  readonly method: AnomalyMethod;
  readonly begins: boolean;
  /** The value's distance from what is normal, as a share of what is allowed; undefined for `missing`. */
  readonly score?: number | undefined;
  /** The mean that a z-score is counted from. */
  readonly expected?: number | undefined;
}

const nothing: readonly AnomalyFinding[] = [];

/** Judges the next value of a series, not older than the last one: what begins and what ends with it. */
export function judgeAnomaly(state: AnomalyState, settings: AnomalySettings, sample: { readonly value: number; readonly time: number }): readonly AnomalyFinding[] {
  let findings: AnomalyFinding[] | undefined;
  const take = (method: AnomalyMethod, score: number | undefined, expected?: number): void => {
    if (score === undefined) return;
    const active = state.active.includes(method);
    if (active ? score > 1 - settings.hysteresis : score < 1) return;
    (findings ??= []).push({ method, begins: !active, score, expected });
  };
  if (settings.zScore) {
    const ewma = (state.ewma ??= freshEwma());
    const expected = ewma.mean;
    take("z-score", ewmaScore(ewma, settings.zScore, sample) ?? 0, expected); // what is being learned anew is normal
  }
  if (settings.rate) {
    const judged = rateScore(state.rate, settings.rate, sample);
    state.rate = judged.state;
    take("rate", judged.score);
  }
  if (settings.flat) {
    const judged = flatScore(state.flat, settings.flat, sample);
    state.flat = judged.state;
    take("flat", judged.score);
  }
  if (state.active.includes("missing")) (findings ??= []).push({ method: "missing", begins: false });
  if (findings === undefined) return nothing;
  for (const { method, begins } of findings) markActive(state, method, begins);
  return findings;
}

/** Notes that an anomaly has begun or ended. */
export function markActive(state: AnomalyState, method: AnomalyMethod, active: boolean): void {
  state.active = active ? [...state.active, method] : state.active.filter((one) => one !== method);
  state.told++;
}
