import assert from "node:assert/strict";
import { test } from "node:test";
import { openStep, type StepUnderTest } from "@busbar/core/testkit";
import { debounceStep } from "./debounce-step.ts";

const open = (config: object = {}): StepUnderTest => openStep(debounceStep, { for: "200ms", ...config });
const said = (step: StepUnderTest): unknown[] => step.emitted.map(({ timestamp, payload }) => [timestamp, (payload as { values: { value: unknown }[] }).values[0]?.value]);

test("debounce holds a changed value back until it has stayed the same, and gives it the time at which it came", async () => {
  const step = open();
  const start = step.clock.now();
  step.readings(start, { door: false });
  for (const [after, value] of [[10, true], [20, false], [30, true], [40, true]] as const) step.readings(start + after, { door: value });
  assert.deepEqual(said(step), [[start, false], [start + 20, false]], "the value that counts passes");
  await step.clock.advance(199);
  assert.equal(step.emitted.length, 2);
  await step.clock.advance(1);
  assert.deepEqual(said(step).slice(2), [[start + 30, true]]);
  assert.equal(step.clock.timers, 0);
  step.readings(start + 500, { door: true });
  assert.deepEqual(said(step).slice(3), [[start + 500, true]]);
});

test("debounce goes by event time where readings come", () => {
  const step = open();
  step.readings(1000, { door: false });
  step.readings(1100, { door: true });
  step.readings(1299, { door: true });
  assert.equal(step.emitted.length, 1);
  step.readings(1300, { door: true });
  assert.deepEqual(said(step), [[1000, false], [1100, true], [1300, true]]);
  assert.equal(step.clock.timers, 0);
});

test("debounce lets another quality pass at once, and readings of other tags", () => {
  const step = open({ tags: ["door"] });
  step.readings(5, { door: false });
  step.readings(10, [{ tag: "door", value: null, quality: "bad" }]);
  step.readings(20, [{ tag: "other", value: 5 }]);
  assert.deepEqual(said(step), [[5, false], [10, null], [20, 5]]);
});

test("debounce remembers over a restart what waits", async () => {
  const first = open();
  const start = first.clock.now();
  first.readings(start, { door: false });
  first.readings(start + 10, { door: true });
  const second = first.restart();
  assert.equal(second.clock.timers, 1);
  await second.clock.advance(200);
  assert.deepEqual(said(second), [[start + 10, true]]);
});

test("debounce's timer ends with a series that is forgotten", () => {
  const step = open({ series: 1 });
  step.readings(0, { a: 1 });
  step.readings(10, { a: 2 });
  assert.equal(step.clock.timers, 1);
  step.readings(20, { b: 1 });
  assert.equal(step.clock.timers, 0);
});
