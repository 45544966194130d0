import assert from "node:assert/strict";
import { test } from "node:test";
import type { Envelope } from "@busbar/core";
import { fakeClock, openStep } from "@busbar/core/testkit";
import fc from "fast-check";
import * as v from "valibot";
import { samplesOf } from "./samples.ts";
import { swingingDoorStep } from "./swinging-door-step.ts";

/** What messages say, as `[time, tag, value]`. */
const told = (messages: readonly Envelope[]): readonly unknown[] => messages.flatMap((message) => samplesOf(message).map(({ time, tag, value }) => [time, tag, value]));

test("swinging-door sends a held reading with its own time, before the one that showed that it is needed", () => {
  const step = openStep(swingingDoorStep, { deviation: 0.5 });
  for (const [at, value] of [[0, 0], [1, 0.2], [2, 0.1], [3, 9], [4, 18], [5, 18]]) step.readings(1000 + at! * 100, [{ tag: "t", value, unit: "°C" }]);
  assert.deepEqual(told(step.emitted), [[1000, "t", 0], [1200, "t", 0.1], [1400, "t", 18]]);
  const held = step.emitted[1]!;
  assert.deepEqual([held.timestamp, held.topic, held.from, held.payload], [1200, "status/plc-1", "plc-1", { values: [{ tag: "t", value: 0.1, unit: "°C", quality: "good" }] }]);
  step.close();
  assert.equal(step.clock.timers, 0);
});

test("swinging-door thins each tag by itself and sends those held since one moment together", () => {
  const step = openStep(swingingDoorStep, { deviation: 1, deviations: { "p*": 0 }, tags: ["a", "b", "p1"] });
  step.readings(1, { a: 0, b: 0, p1: 0, text: "x" });
  step.readings(10, { a: 0, b: 0.5, p1: 9, text: "x" });
  step.readings(20, { a: 50, b: 50, p1: 19, text: "x" });
  assert.deepEqual(told(step.emitted), [[1, "a", 0], [1, "b", 0], [1, "p1", 0], [1, "text", "x"], [10, "text", "x"], [10, "a", 0], [10, "b", 0.5], [20, "text", "x"]]);
  assert.equal(new Set(step.emitted.map(({ msgid }) => msgid)).size, step.emitted.length);
  step.close();
});

test("swinging-door sends bad readings, other types and changes of quality, code and unit at once, with what was held before", () => {
  const step = openStep(swingingDoorStep, { deviation: 10 });
  const send = (at: number, reading: object): readonly unknown[] => told(step.readings(at + 1000, [{ tag: "t", value: 1, ...reading }])).map((one) => [(one as number[])[0]! - 1000, ...(one as unknown[]).slice(1)]);
  assert.deepEqual(send(0, {}), [[0, "t", 1]]);
  assert.deepEqual(send(1, {}), []);
  assert.deepEqual(send(2, { value: null, quality: "bad", code: "BadNoCommunication" }), [[1, "t", 1], [2, "t", null]]);
  assert.deepEqual(send(3, { value: null, quality: "bad", code: "BadNoCommunication" }), []);
  assert.deepEqual(send(4, { value: null, quality: "bad", code: "BadOther" }), [[4, "t", null]]);
  assert.deepEqual(send(5, { value: 2 }), [[5, "t", 2]]);
  assert.deepEqual(send(6, { value: 2 }), []);
  assert.deepEqual(send(7, { value: 2, quality: "uncertain" }), [[6, "t", 2], [7, "t", 2]]);
  assert.deepEqual(send(8, { value: 2, quality: "uncertain", unit: "K" }), [[8, "t", 2]]);
  assert.deepEqual(send(9, { value: true }), [[9, "t", true]]);
  assert.deepEqual(send(10, { value: true }), []);
  assert.deepEqual(send(600_009, { value: true }), [[600_009, "t", true]]);
  step.close();
});

test("swinging-door sends what it holds when nothing more comes for max", async () => {
  const step = openStep(swingingDoorStep, { percent: 10, range: [0, 100], max: "1m" }, { clock: fakeClock(0) });
  step.readings(0, { t: 1 });
  await step.clock.advance(1000);
  step.readings(1000, { t: 2 });
  await step.clock.advance(60_000);
  assert.deepEqual(told(step.emitted), [[0, "t", 1]]);
  await step.clock.advance(6000);
  assert.deepEqual(told(step.emitted), [[0, "t", 1], [1000, "t", 2]]);
  await step.clock.advance(600_000);
  assert.equal(step.emitted.length, 2);
  step.close();
});

test("swinging-door passes late readings or drops them, and counts them", () => {
  for (const late of ["pass", "drop"] as const) {
    const step = openStep(swingingDoorStep, { deviation: 1, late });
    for (const [at, value] of [[100, 1], [200, 2], [150, 7], [300, 3], [400, 50]]) step.readings(at!, { t: value });
    assert.deepEqual(told(step.emitted), [[100, "t", 1], ...(late === "pass" ? [[150, "t", 7]] : []), [300, "t", 3]]);
    assert.equal(step.counted("late"), 1);
    step.close();
  }
});

test("swinging-door goes on after a restart as if there had been none", () => {
  const series = fc.array(fc.record({ value: fc.oneof({ weight: 9, arbitrary: fc.integer({ min: -10, max: 10 }) }, { weight: 1, arbitrary: fc.constantFrom("text", true, null) }), quality: fc.constantFrom("good", "good", "good", "good", "uncertain", "bad"), tag: fc.constantFrom("a", "b") }), { maxLength: 40, size: "max" });
  fc.assert(
    fc.property(series, fc.nat(40), (readings, at) => {
      const [whole, first] = [openStep(swingingDoorStep, { deviation: 2 }), openStep(swingingDoorStep, { deviation: 2 })];
      const send = (step: typeof whole, from: number, to: number): void => readings.slice(from, to).forEach((reading, index) => void step.readings((from + index) * 10, [reading]));
      send(whole, 0, readings.length);
      send(first, 0, at);
      const second = first.restart();
      send(second, at, readings.length);
      assert.deepEqual([...told(first.emitted), ...told(second.emitted)], told(whole.emitted));
      whole.close();
      second.close();
    }),
    { numRuns: 100, endOnFailure: true },
  );
});

test("swinging-door begins anew with another config, and loses nothing that it held", async () => {
  const first = openStep(swingingDoorStep, { deviation: 2 });
  first.readings(1, { t: 0 });
  first.readings(5, { t: 1 });
  const second = first.restart({ deviation: 3 });
  await second.clock.advance(0);
  assert.deepEqual(told(second.emitted), [[5, "t", 1]]);
  assert.deepEqual(told(second.readings(10, { t: 0 })), [[10, "t", 0]]);
  second.close();
});

test("swinging-door sends what it holds of a series that it must forget", () => {
  const step = openStep(swingingDoorStep, { deviation: 1, series: 1 });
  step.readings(0, { a: 0 });
  step.readings(10, { a: 0.5 });
  assert.deepEqual(told(step.readings(20, { b: 3 })), [[10, "a", 0.5], [20, "b", 3]]);
  assert.equal(step.counted("series-forgotten"), 1);
  step.close();
});

test("swinging-door says of a config what is wrong", () => {
  for (const config of [{}, { percent: 1 }, { deviation: 1, percent: 1, range: [0, 1] }, { deviation: 1, range: [0, 1] }, { percent: 1, range: [1, 1] }, { deviation: -1 }, { deviation: 1, min: "1h", max: "1m" }, { deviations: {} }]) {
    assert.equal(v.safeParse(swingingDoorStep.config, config).success, false, JSON.stringify(config));
  }
  assert.equal(v.safeParse(swingingDoorStep.config, { deviations: { t: 1 } }).success, true);
});
