import { fitSmoothing } from "./fit-smoothing.ts";
import { beginHoltWinters, forecastHoltWinters, seedLength, updateHoltWinters, type ForecastPoint, type HoltWintersModel, type HoltWintersState, type Smoothing } from "./holt-winters.ts";

/** How a series is forecast. Counts are values of the regular grid. */
export interface ForecasterOptions {
  readonly model: HoltWintersModel;
  /** Weights that are given and not fitted. */
  readonly fixed: Partial<Smoothing>;
  /** Values that are remembered, `seedLength` at least. */
  readonly history: number;
  /** Values after which the weights are fitted anew. */
  readonly refit: number;
  /** Runs through the history for one fit at the most. */
  readonly evaluations: number;
}

/** All that a forecaster remembers: plain JSON. */
export interface ForecasterState {
  history: (number | null)[];
  /** Undefined until the first fit is done. */
  smoothing?: Smoothing | undefined;
  model?: HoltWintersState | undefined;
  /** Values since the last fit. */
  sinceFit: number;
}

/** The forecast of one series, fed with the values of a regular grid. Fits its weights where somebody drives it to: that takes long. */
export class Forecaster {
  readonly state: ForecasterState;
  readonly #options: ForecasterOptions;

  /** `state` is the forecaster's own from now on. */
  constructor(options: ForecasterOptions, state: ForecasterState) {
    this.#options = options;
    this.state = state;
  }

  /** Takes the next value, or null where it is missing. */
  add(value: number | null): void {
    const { state } = this;
    const { history, model } = this.#options;
    if (value === null && state.history.length === 0) return;
    state.history.push(value);
    if (state.history.length > history) state.history.shift();
    state.sinceFit++;
    if (state.model && state.smoothing) updateHoltWinters(state.model, model, { smoothing: state.smoothing, value });
  }

  /** Forgets the past: what follows has nothing to do with it. The weights stay until they are fitted anew. */
  restart(): void {
    Object.assign(this.state, { history: [], model: undefined, sinceFit: 0 } satisfies Partial<ForecasterState>);
  }

  /** Whether it has enough values, half of the first ones not missing, and wants its weights fitted. */
  get wantsFit(): boolean {
    const { history, model, sinceFit } = this.state;
    if (model !== undefined && sinceFit < this.#options.refit) return false;
    const seed = seedLength(this.#options.model);
    return history.length >= seed && history.slice(0, seed).filter((value) => value !== null).length >= seed / 2;
  }

  /** Whether there is something to forecast from. */
  get ready(): boolean {
    return this.state.model !== undefined;
  }

  /** Fits the weights to the history as it is now, and runs the model through the history as it is then. Yields after each run through it. */
  *fit(): Generator<void, void> {
    const { state } = this;
    const { model, fixed, evaluations } = this.#options;
    const smoothing = yield* fitSmoothing({ model, history: [...state.history], fixed, evaluations });
    if (state.history.length < seedLength(model)) return; // it was restarted meanwhile
    state.smoothing = smoothing;
    state.model = beginHoltWinters(model, state.history);
    for (const value of state.history) updateHoltWinters(state.model, model, { smoothing, value });
    state.sinceFit = 0;
  }

  /** The next `horizon` values; empty before the first fit. */
  forecast({ horizon, deviations }: { readonly horizon: number; readonly deviations: number }): readonly ForecastPoint[] {
    const { model, smoothing } = this.state;
    return model && smoothing ? forecastHoltWinters(model, this.#options.model, { smoothing, horizon, deviations }) : [];
  }
}
