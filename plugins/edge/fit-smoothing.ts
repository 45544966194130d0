import { beginHoltWinters, seedLength, updateHoltWinters, type HoltWintersModel, type Smoothing } from "./holt-winters.ts";

/** What a fit works on. */
export interface FitOptions {
  readonly model: HoltWintersModel;
  /** Values of the regular grid, oldest first, null where one is missing; `seedLength` at least. */
  readonly history: readonly (number | null)[];
  /** What is given and not to be fitted. `phi` is 1 unless it is given. */
  readonly fixed: Partial<Smoothing>;
  /** Runs through the history at the most. */
  readonly evaluations: number;
}

type Vertex = { readonly place: readonly number[]; readonly error: number };

/**
 * The smoothing with the smallest sum of squared one-step errors over the history: the best of a coarse grid, refined by Nelder and Mead's simplex (The Computer Journal 7, 1965).
 * Yields after each run through the history, so that whoever drives it decides how long a turn may get.
 */
export function* fitSmoothing({ model, history, fixed, evaluations }: FitOptions): Generator<void, Smoothing> {
  const free = (["alpha", "beta", "gamma"] as const).filter((name) => fixed[name] === undefined && (name !== "gamma" || model.season > 1));
  const toSmoothing = (place: readonly number[]): Smoothing => {
    const chosen = Object.fromEntries(free.map((name, at) => [name, toWeight(place[at]!)])) as Partial<Smoothing>;
    return { alpha: 0.3, beta: 0.05, gamma: model.season > 1 ? 0.1 : 0, phi: 1, ...fixed, ...chosen };
  };
  const measure = (place: readonly number[]): Vertex => ({ place, error: squaredError(model, history, toSmoothing(place)) });
  if (free.length === 0) return toSmoothing([]);

  let left = evaluations;
  let best: Vertex | undefined;
  for (const place of gridOf(free.length)) {
    if (left-- <= 0) break;
    const vertex = measure(place);
    if (best === undefined || vertex.error < best.error) best = vertex;
    yield;
  }
  const start = best!;
  const simplex: Vertex[] = [start];
  for (let axis = 0; axis < free.length; axis++) {
    simplex.push(measure(start.place.map((value, at) => (at === axis ? value + 1 : value))));
    left--;
    yield;
  }
  while (left > 0) {
    simplex.sort((one, other) => one.error - other.error);
    const worst = simplex.at(-1)!;
    if (worst.error - simplex[0]!.error <= 1e-9 * Math.max(simplex[0]!.error, Number.MIN_VALUE)) break;
    const middle = start.place.map((_, at) => simplex.slice(0, -1).reduce((sum, { place }) => sum + place[at]!, 0) / free.length);
    const along = (factor: number): Vertex => measure(middle.map((value, at) => value + factor * (worst.place[at]! - value)));
    let moved = along(-1);
    left--;
    yield;
    if (moved.error < simplex[0]!.error) {
      const further = along(-2);
      left--;
      yield;
      if (further.error < moved.error) moved = further;
    } else if (moved.error >= simplex.at(-2)!.error) {
      moved = along(moved.error < worst.error ? -0.5 : 0.5);
      left--;
      yield;
    }
    if (moved.error < worst.error) {
      simplex[simplex.length - 1] = moved;
      continue;
    }
    for (let at = 1; at < simplex.length; at++) {
      simplex[at] = measure(simplex[at]!.place.map((value, axis) => (value + simplex[0]!.place[axis]!) / 2));
      left--;
      yield;
    }
  }
  return toSmoothing(simplex.reduce((one, other) => (other.error < one.error ? other : one)).place);
}

/** Any number to a weight between 0.001 and 0.999. */
const toWeight = (place: number): number => 0.001 + 0.998 / (1 + Math.exp(-place));

/** Places whose weights are about 0.05, 0.27 and 0.73, in every combination. */
function gridOf(axes: number): readonly (readonly number[])[] {
  return axes === 0 ? [[]] : gridOf(axes - 1).flatMap((rest) => [-3, -1, 1].map((place) => [...rest, place]));
}

/** What is learned at the beginning is not held against a model: errors count after the first season. */
function squaredError(model: HoltWintersModel, history: readonly (number | null)[], smoothing: Smoothing): number {
  const state = beginHoltWinters(model, history);
  const from = model.season > 1 ? model.season : Math.min(2, seedLength(model));
  let sum = 0;
  for (const [at, value] of history.entries()) {
    const error = updateHoltWinters(state, model, { smoothing, value });
    if (error !== undefined && at >= from) sum += error * error;
  }
  return Number.isFinite(sum) ? sum : Number.MAX_VALUE;
}
