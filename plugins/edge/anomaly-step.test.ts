import assert from "node:assert/strict";
import { test } from "node:test";
import type { Envelope } from "@busbar/core";
import { openStep, type StepUnderTest } from "@busbar/core/testkit";
import * as v from "valibot";
import { anomalyStep } from "./anomaly-step.ts";
import { createNoise } from "./noise-fixture.ts";

type Reading = { readonly tag: string; readonly value: unknown; readonly quality?: string; readonly code?: string; readonly timestamp?: number };
const readingsOf = (messages: readonly Envelope[]): readonly Reading[] => messages.flatMap((one) => (one.payload as { values: Reading[] }).values);
const told = (messages: readonly Envelope[]): unknown[] => messages.map((one) => [(one.payload as Record<string, unknown>)["anomaly"], (one.payload as Record<string, unknown>)["state"], one.timestamp]);

/** Sends so many values of `flow` of a quiet process, a second apart; gives the time of the next one. */
function quiet(step: StepUnderTest, count: number, from = 0): number {
  const next = createNoise(1);
  for (let at = 0; at < count; at++) step.readings((from + at) * 1000, { flow: 100 + next() });
  return (from + count) * 1000;
}

test("anomaly marks the value that is far from the mean, and no other", () => {
  const step = openStep(anomalyStep, { zScore: {} });
  const at = quiet(step, 100);
  assert.ok(readingsOf(step.emitted).every(({ quality }) => quality === undefined));
  assert.deepEqual(readingsOf(step.readings(at, [{ tag: "flow", value: 140, unit: "l/min" }, { tag: "state", value: "on" }])), [{ tag: "flow", value: 140, unit: "l/min", quality: "uncertain", code: "anomaly/z-score" }, { tag: "state", value: "on" }]);
  assert.deepEqual(readingsOf(step.readings(at + 1000, { flow: 100.5 })), [{ tag: "flow", value: 100.5 }]);
});

test("anomaly leaves alone what is bad already, keeps the source's own code, and never judges by what is bad", () => {
  const step = openStep(anomalyStep, { rate: { rise: 1, fall: 1 } });
  step.readings(0, { flow: 10 });
  assert.deepEqual(readingsOf(step.readings(1000, [{ tag: "flow", value: 500, quality: "bad", code: "BadOutOfRange" }])), [{ tag: "flow", value: 500, quality: "bad", code: "BadOutOfRange" }]);
  assert.deepEqual(readingsOf(step.readings(2000, { flow: 11 })), [{ tag: "flow", value: 11 }]);
  assert.deepEqual(readingsOf(step.readings(3000, [{ tag: "flow", value: 19, quality: "uncertain", code: "UncertainLastUsableValue" }])), [{ tag: "flow", value: 19, quality: "uncertain", code: "UncertainLastUsableValue" }]);
});

test("anomaly drops what changes too fast and keeps the rest of the message", () => {
  const step = openStep(anomalyStep, { tags: ["flow"], rate: { rise: 5 }, action: "drop" });
  step.readings(0, { flow: 10 });
  assert.deepEqual(readingsOf(step.readings(1000, { flow: 30, level: 7 })), [{ tag: "level", value: 7 }]);
  assert.deepEqual(step.readings(2000, { flow: 60 }), []);
  assert.deepEqual(readingsOf(step.readings(3000, { flow: 63 })), [{ tag: "flow", value: 63 }]);
});

test("anomaly tells of beginnings and ends, with hysteresis", () => {
  const step = openStep(anomalyStep, { rate: { rise: 10, fall: 10 }, hysteresis: 0.5, action: "event" });
  const values = [0, 10, 16, 25, 29.9, 100];
  values.forEach((value, at) => step.readings(at * 1000, [{ tag: "flow", value, unit: "bar" }]));
  assert.deepEqual(told(step.emitted), [["flow/rate", "raised", 1000], ["flow/rate", "cleared", 4000], ["flow/rate", "raised", 5000]]);
  const last = step.emitted.at(-1)!;
  assert.deepEqual([last.type, last.from, last.qos], ["event", "plc-1", 1]);
  assert.deepEqual(last.payload, { event: "anomaly", anomaly: "flow/rate", state: "raised", id: "plc-1/flow/rate", tag: "flow", method: "rate", value: 100, unit: "bar", score: 7.01, message: "flow is 100 bar: it changes 7.01 times as fast as it may" });
  assert.equal(new Set(step.emitted.map(({ msgid }) => msgid)).size, 3);
});

test("anomaly finds a value that is stuck, by the time of the source", () => {
  const step = openStep(anomalyStep, { flat: { for: "10s", within: 0.5 }, action: "event" });
  for (const [at, value] of [[0, 20], [4000, 20.3], [8000, 20.1], [9999, 20], [10_000, 20.2], [30_000, 20.2], [31_000, 21]] as const) step.readings(at, { flow: value });
  assert.deepEqual(told(step.emitted), [["flow/flat", "raised", 10_000], ["flow/flat", "cleared", 31_000]]);
  assert.equal((step.emitted[0]!.payload as { message: string }).message, "flow is 20.2: it has stayed within 0.5 for 10 s");
});

test("anomaly finds readings that do not come, by the clock, those that never came too", async () => {
  const step = openStep(anomalyStep, { tags: ["voltage"], missing: { for: "30s", expect: ["meters/m-2/voltage"] }, action: "event" });
  const start = step.clock.now();
  step.send({ from: "meters/m-1", timestamp: start, payload: { voltage: 230 } });
  await step.clock.advance(29_000);
  step.send({ from: "meters/m-1", timestamp: start + 29_000, payload: { voltage: 231 } });
  await step.clock.advance(999);
  assert.equal(step.emitted.length, 0);
  await step.clock.advance(1);
  assert.deepEqual(step.emitted.map((one) => [one.topic, one.timestamp - start]), [["event/meters/m-2", 30_000]]);
  await step.clock.advance(29_000);
  assert.deepEqual(step.emitted.slice(1).map((one) => [one.from, (one.payload as { message: string }).message, one.timestamp - start]), [["meters/m-1", "voltage is missing: nothing has come for 30 s", 59_000]]);
  await step.clock.advance(1_000_000);
  assert.equal(step.emitted.length, 2, "told once");
  step.send({ from: "meters/m-2", timestamp: step.clock.now(), payload: { voltage: 229 } });
  assert.deepEqual(step.emitted.slice(2).map((one) => [one.from, (one.payload as { state: string }).state]), [["meters/m-2", "cleared"]]);
  step.close();
  assert.equal(step.clock.timers, 0);
});

test("anomaly puts a bad reading in the place of one that is missing, not newer than what comes next", async () => {
  const step = openStep(anomalyStep, { missing: { for: "10s" } });
  const behind = step.clock.now() - 5000;
  step.readings(behind, [{ tag: "flow", value: 3, unit: "l/s" }]);
  await step.clock.advance(10_000);
  const [, missing] = step.emitted;
  assert.deepEqual([missing!.topic, missing!.payload, missing!.timestamp - behind], ["status/plc-1", { values: [{ tag: "flow", value: null, unit: "l/s", quality: "bad", code: "anomaly/missing" }] }, 10_000]);
  assert.deepEqual(readingsOf(step.readings(behind + 10_500, { flow: 4 })), [{ tag: "flow", value: 4 }]);
});

test("anomaly never judges by late samples", () => {
  const step = openStep(anomalyStep, { rate: { rise: 1 }, action: "event" });
  step.readings(10_000, { flow: 1 });
  step.readings(9000, { flow: 1000 });
  step.readings(11_000, { flow: 2.1 });
  assert.deepEqual(told(step.emitted), [["flow/rate", "raised", 11_000]]);
  assert.equal(step.counted("late"), 1);
});

test("anomaly goes on after a restart as if there had been none", async () => {
  const config = { zScore: { warmUp: 50 }, missing: { for: "1h" }, action: "event" };
  const whole = openStep(anomalyStep, config);
  const at = quiet(whole, 60);
  whole.readings(at, { flow: 150 });
  let parted = openStep(anomalyStep, config);
  quiet(parted, 60);
  parted = parted.restart();
  parted.readings(at, { flow: 150 });
  assert.deepEqual(parted.emitted.map(({ payload, msgid }) => [payload, msgid]), whole.emitted.map(({ payload, msgid }) => [payload, msgid]));
  assert.equal(parted.emitted.length, 1);
  parted = parted.restart();
  parted.readings(at + 1000, { flow: 100 });
  assert.deepEqual(told(parted.emitted), [["flow/z-score", "cleared", at + 1000]]);
  parted = parted.restart();
  await parted.clock.advance(3_600_000);
  assert.equal((parted.emitted.at(-1)!.payload as { method: string }).method, "missing");
});

test("anomaly refuses a config that finds nothing or cannot be meant", () => {
  const takes = (config: unknown): boolean => v.safeParse(anomalyStep.config, config).success;
  for (const config of [{}, { zScore: { alpha: 0.1, halfLife: "1m" } }, { rate: {} }, { rate: { rise: 0 } }, { flat: {} }, { missing: { for: "1m" }, action: "drop" }, { missing: { for: "1m", expect: ["voltage"] } }, { tags: ["a"], missing: { for: "1m", expect: ["m/b"] } }, { zScore: { threshold: 0.5 } }]) assert.equal(takes(config), false, JSON.stringify(config));
  assert.equal(takes({ zScore: {}, rate: { fall: 3 }, flat: { for: "1m" }, missing: { for: "1m", expect: ["meter-1/voltage"] } }), true);
});
