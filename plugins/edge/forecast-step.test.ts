import assert from "node:assert/strict";
import { test } from "node:test";
import type { Envelope } from "@busbar/core";
import { openStep, type StepUnderTest } from "@busbar/core/testkit";
import * as v from "valibot";
import { Forecaster, type ForecasterOptions } from "./forecaster.ts";
import { forecastStep } from "./forecast-step.ts";
import { createNoise } from "./noise-fixture.ts";

const hour = 3_600_000;
const config = { tags: ["load"], bucket: "1h", season: "24h", horizon: "6h" };
type Reading = { readonly tag: string; readonly value: number; readonly unit?: string; readonly timestamp: number };
const readingsOf = (message: Envelope | undefined): readonly Reading[] => (message?.payload as { values: Reading[] }).values;

/** A load in kW by hour: a day's shape, a trend, noise. */
function loads(hours: number): readonly number[] {
  const noise = createNoise(11);
  return Array.from({ length: hours }, (_, at) => 300 + at / 2 + 80 * Math.sin((2 * Math.PI * at) / 24) + 3 * noise());
}

/** Runs the step on four samples an hour, whose mean is the load, the clock going along. */
async function feed(step: StepUnderTest, values: readonly number[], { start, from = 0 }: { readonly start: number; readonly from?: number }): Promise<void> {
  for (const [at, value] of values.entries()) {
    for (const [quarter, off] of [-3, -1, 1, 3].entries()) step.send({ from: "meter-1", timestamp: start + (from + at) * hour + (quarter * hour) / 4, payload: { values: [{ tag: "load", value: value + off, unit: "kW" }, { tag: "state", value: "on" }] } });
    await step.clock.advance(hour);
  }
}

/** What a forecaster says that has the same history, fitted in one go. */
function reference(values: readonly number[]): readonly { readonly value: number; readonly low: number; readonly high: number }[] {
  const options: ForecasterOptions = { model: { season: 24, kind: "additive" }, fixed: { phi: 1 }, history: 96, refit: 24, evaluations: 200 };
  const forecaster = new Forecaster(options, { history: [], sinceFit: 0 });
  for (const value of values) {
    forecaster.add(value);
    if (forecaster.wantsFit) for (const _run of forecaster.fit());
  }
  return forecaster.forecast({ horizon: 6, deviations: 1.96 });
}

test("forecast says what is to come as readings with times of their own, as a reference does that has the whole history", async () => {
  const step = openStep(forecastStep, config);
  const start = step.clock.now();
  const values = loads(80);
  await feed(step, values.slice(0, 47), { start });
  assert.equal(step.emitted.length, 0, "two seasons must have been seen");
  await feed(step, values.slice(47), { start, from: 47 });
  const last = step.emitted.at(-1)!;
  assert.deepEqual([last.topic, last.from, last.timestamp, last.qos], ["status/meter-1", "meter-1", start + 80 * hour, 0]);
  const expected = reference(values);
  const readings = readingsOf(last);
  assert.deepEqual(readings.map(({ tag, unit, timestamp }) => [tag, unit, (timestamp - start) / hour]), expected.flatMap((_, at) => ["load.forecast", "load.forecast.low", "load.forecast.high"].map((tag) => [tag, "kW", 81 + at])));
  expected.forEach(({ value, low, high }, at) => [value, low, high].forEach((one, of) => assert.ok(Math.abs(readings[3 * at + of]!.value - one) < 1e-6)));
  loads(86).slice(80).forEach((value, at) => assert.ok(Math.abs(readings[3 * at]!.value - value) < 15, `${readings[3 * at]!.value} kW was forecast, ${value} kW came`));
  assert.equal(step.emitted.length, 33, "one for each bucket since the first 48");
});

test("forecast fits its weights beside the messages, a little in each turn", async () => {
  const step = openStep(forecastStep, config);
  const start = step.clock.now();
  await feed(step, loads(47), { start });
  const next = loads(49);
  for (const at of [47, 48]) step.send({ from: "meter-1", timestamp: start + at * hour, payload: { load: next[at]! } });
  assert.equal(step.emitted.length, 0, "nothing is computed while a message passes");
  await step.clock.advance(1000);
  assert.equal(step.emitted.length, 1);
});

test("forecast closes a bucket by the clock when nothing more comes", async () => {
  const step = openStep(forecastStep, { tags: ["load"], bucket: "1m", lateness: "10s", alpha: 0.5, beta: 0.1 });
  const start = step.clock.now();
  for (let at = 0; at < 10; at++) {
    step.send({ from: "meter-1", timestamp: start + at * 60_000, payload: { load: at } });
    await step.clock.advance(60_000);
  }
  assert.equal(step.emitted.length, 0, "the tenth value waits for samples that are late");
  await step.clock.advance(10_001);
  assert.deepEqual(readingsOf(step.emitted[0]).slice(0, 1).map(({ tag, value, timestamp }) => [tag, Math.round(value * 1e6) / 1e6, timestamp - start]), [["load.forecast", 10, 660_000]]);
  await step.clock.advance(hour);
  assert.equal(step.emitted.length, 1);
  step.close();
  assert.equal(step.clock.timers, 0);
});

test("forecast goes on after a restart as if there had been none", async () => {
  const values = loads(60);
  const whole = openStep(forecastStep, config);
  const start = whole.clock.now();
  await feed(whole, values, { start });
  let parted = openStep(forecastStep, config);
  await feed(parted, values.slice(0, 30), { start });
  parted = parted.restart();
  await feed(parted, values.slice(30, 55), { start, from: 30 });
  parted = parted.restart();
  await feed(parted, values.slice(55), { start, from: 55 });
  assert.deepEqual(readingsOf(parted.emitted.at(-1)), readingsOf(whole.emitted.at(-1)));
  assert.equal(parted.emitted.at(-1)!.msgid, whole.emitted.at(-1)!.msgid);
});

test("forecast never lets a late sample, a bad one, or one of a clock that is ahead change what is said", async () => {
  const values = loads(60);
  const plain = openStep(forecastStep, config);
  const start = plain.clock.now();
  await feed(plain, values, { start });
  const troubled = openStep(forecastStep, config);
  await feed(troubled, values.slice(0, 50), { start });
  troubled.send({ from: "meter-1", timestamp: start + 10 * hour, payload: { load: 9999 } });
  troubled.send({ from: "meter-1", timestamp: start + 50 * hour, payload: { values: [{ tag: "load", value: 9999, quality: "bad" }, { tag: "load", value: null }] } });
  troubled.send({ from: "meter-1", timestamp: start + 5000 * hour, payload: { load: 9999 } });
  await feed(troubled, values.slice(50), { start, from: 50 });
  assert.deepEqual(readingsOf(troubled.emitted.at(-1)), readingsOf(plain.emitted.at(-1)));
  assert.deepEqual([troubled.counted("late"), troubled.counted("ahead")], [1, 1]);
});

test("forecast keeps quiet about a series that has begun anew, and about values that a multiplicative season cannot have", async () => {
  const step = openStep(forecastStep, { tags: ["load"], bucket: "1h", season: "4h", kind: "multiplicative", horizon: "4h", every: 4 });
  const start = step.clock.now();
  await feed(step, Array.from({ length: 12 }, (_, at) => 100 * ((at % 4) + 1)), { start });
  assert.deepEqual(readingsOf(step.emitted.at(-1)).filter(({ tag }) => tag === "load.forecast").map(({ value }) => Math.round(value)), [100, 200, 300, 400]);
  assert.equal(step.emitted.length, 2, "the first one, and one four buckets later");
  await feed(step, [-5], { start, from: 12 });
  assert.equal(step.counted("not-positive"), 1);
  await step.clock.advance(27 * hour);
  await feed(step, [100, 200, 300, 400], { start, from: 40 });
  assert.equal(step.counted("broken"), 1);
  assert.equal(step.emitted.length, 2);
});

test("forecast refuses a config that cannot be meant", () => {
  const takes = (more: object): boolean => v.safeParse(forecastStep.config, { ...config, ...more }).success;
  for (const more of [{ tags: [] }, { season: "90m" }, { season: "1h" }, { horizon: "30m" }, { horizon: "2000h" }, { history: 30 }, { bucket: "10m", season: "366d" }, { alpha: 2 }, { interval: 0.7 }, { output: "forecast" }, { lateness: "101h" }]) assert.equal(takes(more), false, JSON.stringify(more));
  assert.equal(takes({ kind: "multiplicative", interval: 0.9, history: 200, refit: 24, every: 2, alpha: 0.3 }), true);
});
