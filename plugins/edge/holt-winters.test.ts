import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fitSmoothing, type FitOptions } from "./fit-smoothing.ts";
import { beginHoltWinters, forecastHoltWinters, type HoltWintersModel, type HoltWintersState, seedLength, type Smoothing, updateHoltWinters } from "./holt-winters.ts";
import { createNoise } from "./noise-fixture.ts";

/** Quarterly overnight visitors to Australia in millions, 1998 to 2004: the shape of the textbook's example, in round numbers. */
const quarters = [23.8, 19.1, 20.1, 20.9, 23.7, 19.6, 19.8, 21.2, 23.5, 19.3, 20.8, 21.9, 25.2, 20.5, 20.4, 21.6, 25.1, 20.6, 21.6, 22.2, 24.8, 19.5, 21.1, 21.8];
const given: Smoothing = { alpha: 0.3, beta: 0.1, gamma: 0.2, phi: 1 };

function learn(model: HoltWintersModel, smoothing: Smoothing, history: readonly (number | null)[]): HoltWintersState {
  const state = beginHoltWinters(model, history);
  for (const value of history) updateHoltWinters(state, model, { smoothing, value });
  return state;
}

function fit(options: Omit<FitOptions, "fixed" | "evaluations"> & Partial<FitOptions>): { readonly smoothing: Smoothing; readonly runs: number } {
  const search = fitSmoothing({ fixed: {}, evaluations: 300, ...options });
  for (let runs = 0; ; runs++) {
    const { done, value } = search.next();
    if (done) return { smoothing: value, runs };
  }
}

/** The textbook's equations with every value of every series kept: `level[t]`, `trend[t]`, `seasonal[t]` (Hyndman and Athanasopoulos, Forecasting: Principles and Practice, §8.3). */
function textbook(values: readonly number[], { season: m, kind }: HoltWintersModel, { alpha, beta, gamma, phi }: Smoothing, horizon: number): number[] {
  const times = kind === "multiplicative";
  const mean = (from: number): number => values.slice(from, from + m).reduce((sum, value) => sum + value, 0) / m;
  const slope = (mean(m) - mean(0)) / m;
  const base = mean(0) - (slope * (m + 1)) / 2;
  const left = (t: number): number => (times ? values[t]! / (base + slope * (t + 1)) : values[t]! - (base + slope * (t + 1)));
  const level: number[] = [base];
  const trend: number[] = [slope];
  const seasonal: number[] = Array.from({ length: m }, (_, t) => (left(t) + left(t + m)) / 2);
  values.forEach((y, t) => {
    const [l, b, s] = [level[t]!, trend[t]!, seasonal[t]!];
    level.push(alpha * (times ? y / s : y - s) + (1 - alpha) * (l + phi * b));
    trend.push(beta * (level[t + 1]! - l) + (1 - beta) * phi * b);
    seasonal.push(gamma * (times ? y / (l + phi * b) : y - l - phi * b) + (1 - gamma) * s);
  });
  const n = values.length;
  return Array.from({ length: horizon }, (_, step) => {
    const damped = Array.from({ length: step + 1 }, (_, k) => phi ** (k + 1)).reduce((sum, one) => sum + one, 0);
    const line = level[n]! + damped * trend[n]!;
    const s = seasonal[n + (step % m)]!;
    return times ? line * s : line + s;
  });
}

test("forecastHoltWinters() gives what the textbook's equations give", () => {
  for (const kind of ["additive", "multiplicative"] as const) {
    for (const phi of [1, 0.9]) {
      const model = { season: 4, kind };
      const smoothing = { ...given, phi };
      const points = forecastHoltWinters(learn(model, smoothing, quarters), model, { smoothing, horizon: 9, deviations: 1.96 });
      textbook(quarters, model, smoothing, 9).forEach((value, at) => assert.ok(Math.abs(points[at]!.value - value) < 1e-9, `${kind} ${phi} ${at}: ${points[at]!.value} is not ${value}`));
    }
  }
});

test("forecastHoltWinters() gives what the textbook's equations give for any series", () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 60, max: 140, noNaN: true }), { minLength: 12, maxLength: 40 }),
      fc.integer({ min: 2, max: 6 }),
      fc.constantFrom("additive", "multiplicative"),
      fc.tuple(...Array.from({ length: 3 }, () => fc.double({ min: 0.01, max: 0.5, noNaN: true }))),
      (values, season, kind, [alpha, beta, gamma]) => {
        const model = { season, kind };
        const smoothing = { alpha: alpha!, beta: beta!, gamma: gamma!, phi: 0.95 };
        const expected = textbook(values, model, smoothing, 5);
        const points = forecastHoltWinters(learn(model, smoothing, values), model, { smoothing, horizon: 5, deviations: 1 });
        const scale = Math.max(1, ...expected.map(Math.abs));
        expected.forEach((value, at) => assert.ok(Math.abs(points[at]!.value - value) <= 1e-6 * scale));
      },
    ),
    { numRuns: 200 },
  );
});

test("forecastHoltWinters() goes on with a line, and with a season that repeats, without an error", () => {
  const line = { season: 1, kind: "additive" } as const;
  const rising = Array.from({ length: 20 }, (_, at) => 3 + 2 * at);
  const ahead = forecastHoltWinters(learn(line, { ...given, gamma: 0 }, rising), line, { smoothing: given, horizon: 3, deviations: 2 });
  ahead.forEach(({ value, low, high }, at) => assert.ok(Math.abs(value - (43 + 2 * at)) < 1e-9 && high - low < 1e-6));
  const weekly = { season: 7, kind: "multiplicative" } as const;
  const days = Array.from({ length: 35 }, (_, at) => (at % 7) + 1);
  forecastHoltWinters(learn(weekly, given, days), weekly, { smoothing: given, horizon: 7, deviations: 2 }).forEach(({ value }, at) => assert.ok(Math.abs(value - (at + 1)) < 1e-9));
});

test("forecastHoltWinters() gives an interval as wide as what simulated series do", () => {
  const model = { season: 4, kind: "additive" } as const;
  const smoothing = { alpha: 0.4, beta: 0.3, gamma: 0.5, phi: 0.9 };
  const begin = { ...learn(model, smoothing, quarters), variance: 1 };
  const horizon = 10;
  const paths = 4000;
  const noise = createNoise(5);
  const squares = new Array<number>(horizon).fill(0);
  const points = forecastHoltWinters(begin, model, { smoothing, horizon, deviations: 1 });
  for (let path = 0; path < paths; path++) {
    const state = structuredClone(begin);
    for (let step = 0; step < horizon; step++) {
      const value = forecastHoltWinters(state, model, { smoothing, horizon: 1, deviations: 1 })[0]!.value + noise();
      squares[step]! += (value - points[step]!.value) ** 2;
      updateHoltWinters(state, model, { smoothing, value });
    }
  }
  squares.forEach((sum, step) => {
    const [simulated, said] = [Math.sqrt(sum / paths), (points[step]!.high - points[step]!.low) / 2];
    assert.ok(Math.abs(said / simulated - 1) < 0.05, `step ${step + 1}: ${said.toFixed(3)} is said, ${simulated.toFixed(3)} simulated`);
  });
});

test("updateHoltWinters() goes on by itself where a value is missing", () => {
  const model = { season: 4, kind: "additive" } as const;
  const whole = learn(model, given, quarters);
  const [expected] = forecastHoltWinters(structuredClone(whole), model, { smoothing: given, horizon: 2, deviations: 1 }).slice(1);
  updateHoltWinters(whole, model, { smoothing: given, value: null });
  assert.ok(Math.abs(forecastHoltWinters(whole, model, { smoothing: given, horizon: 1, deviations: 1 })[0]!.value - expected!.value) < 1e-12);
  const gaps = quarters.map((value, at) => (at % 5 === 1 ? null : value));
  for (const { value } of forecastHoltWinters(learn(model, given, gaps), model, { smoothing: given, horizon: 8, deviations: 1 })) assert.ok(value > 18 && value < 28);
});

/** A load in kW at quarters of an hour: a daily shape, a trend, noise. */
function loadOf(days: number, seed: number): number[] {
  const noise = createNoise(seed);
  return Array.from({ length: days * 96 }, (_, at) => 500 + at * 0.12 + 150 * Math.sin((2 * Math.PI * (at % 96)) / 96) + 60 * Math.sin((4 * Math.PI * (at % 96)) / 96 + 1) + 8 * noise());
}

const daily: HoltWintersModel = { season: 96, kind: "additive" };
const rms = (errors: readonly number[]): number => Math.sqrt(errors.reduce((sum, error) => sum + error * error, 0) / errors.length);

test("a fitted forecast of a load with a trend is better than yesterday's values, and the interval holds what it says", () => {
  const ours: number[] = [];
  const naive: number[] = [];
  let within = 0;
  let total = 0;
  for (const seed of [1, 2, 3, 4, 5]) {
    const values = loadOf(8, seed);
    const history = values.slice(0, 7 * 96);
    const { smoothing } = fit({ model: daily, history });
    forecastHoltWinters(learn(daily, smoothing, history), daily, { smoothing, horizon: 96, deviations: 1.96 }).forEach(({ value, low, high }, at) => {
      const actual = values[history.length + at]!;
      ours.push(actual - value);
      naive.push(actual - values[history.length + at - 96]!);
      total++;
      if (actual >= low && actual <= high) within++;
    });
  }
  assert.ok(rms(ours) < 0.8 * rms(naive), `root mean square error ${rms(ours).toFixed(1)} kW, of yesterday's values ${rms(naive).toFixed(1)} kW`);
  assert.ok(within / total > 0.85, `${((100 * within) / total).toFixed(1)} % lie within the interval of 95 %`);
});

test("fitSmoothing() is as good as a fine grid, deterministic, and ends within its evaluations", () => {
  const model = { season: 4, kind: "additive" } as const;
  const error = (smoothing: Smoothing): number => {
    const state = beginHoltWinters(model, quarters);
    return quarters.reduce((sum, value, at) => {
      const one = updateHoltWinters(state, model, { smoothing, value })!;
      return at < 4 ? sum : sum + one * one;
    }, 0);
  };
  const steps = Array.from({ length: 15 }, (_, at) => 0.001 + (at * 0.998) / 14);
  const grid = Math.min(...steps.flatMap((alpha) => steps.flatMap((beta) => steps.map((gamma) => error({ alpha, beta, gamma, phi: 1 })))));
  const { smoothing, runs } = fit({ model, history: quarters });
  assert.ok(error(smoothing) <= grid * 1.01, `${error(smoothing)} is worse than ${grid}`);
  assert.ok(runs <= 305, `${runs} runs`);
  assert.deepEqual(fit({ model, history: quarters }).smoothing, smoothing);
  assert.ok(fit({ model, history: quarters, evaluations: 10 }).runs <= 15);
});

test("fitSmoothing() leaves alone what is given", () => {
  const history = quarters.slice(0, seedLength({ season: 4, kind: "additive" }) + 4);
  assert.deepEqual(fit({ model: { season: 4, kind: "additive" }, history, fixed: given }).smoothing, given);
  const { smoothing } = fit({ model: { season: 4, kind: "additive" }, history, fixed: { alpha: 0.25, phi: 0.9 } });
  assert.deepEqual([smoothing.alpha, smoothing.phi], [0.25, 0.9]);
  assert.equal(fit({ model: { season: 1, kind: "additive" }, history: [...history] }).smoothing.gamma, 0);
});
