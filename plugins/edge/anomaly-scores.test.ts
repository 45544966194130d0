import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type EwmaOptions, ewmaScore, freshEwma } from "./ewma-score.ts";
import { flatScore, type FlatState } from "./flat-score.ts";
import { createNoise } from "./noise-fixture.ts";
import { rateScore, type RateState } from "./rate-score.ts";

const options: EwmaOptions = { threshold: 4, alpha: 0.05, halfLife: undefined, warmUp: 30, minDeviation: 0, relearn: 50 };

test("ewmaScore() learns the plain mean and variance in the warm-up", () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 20 }), (values) => {
      const state = freshEwma();
      for (const value of values) assert.equal(ewmaScore(state, options, { value, time: 0 }), undefined);
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
      assert.ok(Math.abs(state.mean - mean) <= 1e-6 * Math.max(1, Math.abs(mean)), `${state.mean} is not ${mean}`);
      assert.ok(Math.abs(state.variance - variance) <= 1e-6 * Math.max(1, variance), `${state.variance} is not ${variance}`);
    }),
    { numRuns: 200 },
  );
});

test("ewmaScore() follows the weighted mean that a plain reference computes", () => {
  const state = freshEwma();
  const values = [5, 7, 6, 5.5, 6.2, 5.8];
  const settings = { ...options, warmUp: 1, alpha: 0.5, threshold: 1e9, minDeviation: 1 };
  for (const value of values) ewmaScore(state, settings, { value, time: 0 });
  const weights = values.map((_, at) => (at === 0 ? 1 : 0.5) * 0.5 ** (values.length - 1 - at));
  const mean = values.reduce((sum, value, at) => sum + value * weights[at]!, 0);
  const variance = values.reduce((sum, value, at) => sum + weights[at]! * (value - mean) ** 2, 0);
  assert.ok(Math.abs(state.mean - mean) < 1e-12);
  assert.ok(Math.abs(state.variance - variance) < 1e-12);
});

test("ewmaScore() finds spikes in noise, also one right after another, and hardly anything else", () => {
  const next = createNoise(7);
  const state = freshEwma();
  let found = 0;
  let wrong = 0;
  for (let at = 0; at < 20_000; at++) {
    const spike = at >= 1000 && at % 500 < 3;
    const score = ewmaScore(state, { ...options, threshold: 5 }, { value: 100 + 2 * next() + (spike ? 40 : 0), time: at });
    if (score !== undefined && score >= 1) spike ? found++ : wrong++;
  }
  assert.equal(found, 38 * 3);
  assert.ok(wrong <= 4, `${wrong} of 19,850 normal values were taken for anomalies`);
});

test("ewmaScore() takes a level that stays for the new normal after `relearn` values", () => {
  const next = createNoise(3);
  const state = freshEwma();
  const scores = Array.from({ length: 400 }, (_, at) => ewmaScore(state, { ...options, relearn: 20 }, { value: (at < 200 ? 10 : 1000) + next() / 10, time: at }));
  assert.ok(scores.slice(200, 220).every((score) => score! >= 1));
  assert.ok(scores.slice(220, 249).every((score) => score === undefined));
  assert.ok(scores.slice(255).every((score) => score! < 1));
});

test("ewmaScore() weighs by the time of the source when it is given a half-life", () => {
  const settings = { ...options, alpha: undefined, halfLife: 1000, warmUp: 1, threshold: 1e9, minDeviation: 1 };
  const state = freshEwma();
  ewmaScore(state, settings, { value: 0, time: 0 });
  ewmaScore(state, settings, { value: 8, time: 1000 });
  assert.ok(Math.abs(state.mean - 4) < 1e-12);
  ewmaScore(state, settings, { value: 8, time: 3000 });
  assert.ok(Math.abs(state.mean - 7) < 1e-12);
});

test("ewmaScore() judges a series that never moved by minDeviation", () => {
  for (const [minDeviation, anomaly] of [[0, true], [1, false]] as const) {
    const state = freshEwma();
    const settings = { ...options, warmUp: 5, minDeviation };
    for (let at = 0; at < 5; at++) ewmaScore(state, settings, { value: 20, time: at });
    assert.equal(ewmaScore(state, settings, { value: 20, time: 5 }), 0);
    assert.equal(ewmaScore(state, settings, { value: 20.5, time: 6 })! >= 1, anomaly);
  }
});

test("rateScore() judges by the time of the source, up and down apart", () => {
  const settings = { rise: 2, fall: 4, over: 0 };
  let state: RateState | undefined;
  const scores = [[0, 0], [1000, 2], [2000, 3], [2000, 90], [2500, 1], [3500, 1]].map(([time, value]) => {
    const judged = rateScore(state, settings, { time: time!, value: value! });
    state = judged.state;
    return judged.score;
  });
  assert.deepEqual(scores, [undefined, 1, 0.5, undefined, 1, 0]);
  assert.equal(rateScore({ value: 0, time: 0 }, { ...settings, fall: undefined }, { value: -100, time: 1 }).score, 0);
});

test("rateScore() measures over at least the time it is told", () => {
  const settings = { rise: 1, fall: 1, over: 1000 };
  const first = rateScore({ value: 0, time: 0 }, settings, { value: 5, time: 999 });
  assert.deepEqual(first, { state: { value: 0, time: 0 }, score: undefined });
  assert.deepEqual(rateScore(first.state, settings, { value: 2, time: 1000 }), { state: { value: 2, time: 1000 }, score: 2 });
});

test("flatScore() is 1 from when values have stayed within the band for the whole time, and never before", () => {
  fc.assert(
    fc.property(fc.array(fc.record({ gap: fc.integer({ min: 0, max: 5 }), value: fc.integer({ min: 0, max: 3 }) }), { maxLength: 60 }), (given) => {
      let state: FlatState | undefined;
      let time = 0;
      const seen: { time: number; value: number }[] = [];
      for (const { gap, value } of given) {
        seen.push({ time: (time += gap), value });
        const judged = flatScore(state, { for: 10, within: 1 }, { time, value });
        state = judged.state;
        if (judged.score < 1) continue;
        const since = seen.filter((one) => one.time > time - 10);
        const values = since.map((one) => one.value);
        assert.ok(Math.max(...values) - Math.min(...values) <= 1, "a band was called flat that is not");
      }
      const same = seen.length > 0 && seen.every((one) => one.value === seen[0]!.value);
      if (same) assert.equal(flatScore(state, { for: 10, within: 1 }, { time, value: seen[0]!.value }).score, (time - seen[0]!.time) / 10);
    }),
    { numRuns: 300 },
  );
});
