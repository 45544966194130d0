import assert from "node:assert/strict";
import { test } from "node:test";
import { openStep, type StepUnderTest } from "@busbar/core/testkit";
import fc from "fast-check";
import * as v from "valibot";
import { deadbandStep } from "./deadband-step.ts";

/** Which of these values of one tag, a second apart, are sent. */
const sent = (config: object, values: readonly unknown[]): unknown[] => {
  const step = openStep(deadbandStep, config);
  return values.filter((value, at) => step.readings(1000 * at, { t: value }).length > 0);
};
const valuesOf = (step: StepUnderTest): unknown[] => step.emitted.map(({ payload }) => (payload as { values: { value: unknown }[] }).values[0]?.value);

test("deadband sends what differs by more than the deadband from what was sent last", () => {
  assert.deepEqual(sent({}, [1, 1, 2, 2, 1]), [1, 2, 1]);
  assert.deepEqual(sent({ absolute: 1 }, [10, 11, 11.1, 12, 10, 9.9]), [10, 11.1, 10]);
  assert.deepEqual(sent({ percent: 10 }, [100, 110, 111, 100, 99.8]), [100, 111, 99.8]);
  assert.deepEqual(sent({ percent: 10, range: [-50, 50] }, [0, 10, 10.5, 1, 0.4]), [0, 10.5, 0.4]);
  assert.deepEqual(sent({ absolute: 5 }, [true, true, false, "a", "a", "b", 1, 2]), [true, false, "a", "b", 1]);
});

test("deadband never lets a value that was held back differ by more than the deadband", () => {
  fc.assert(fc.property(fc.double({ min: 0, max: 10, noNaN: true }), fc.array(fc.double({ min: -100, max: 100, noNaN: true }), { minLength: 1, maxLength: 50 }), (absolute, values) => {
    const step = openStep(deadbandStep, { absolute });
    let last: number | undefined;
    for (const [at, value] of values.entries()) {
      if (step.readings(at, { t: value }).length > 0) {
        assert.ok(last === undefined || Math.abs(value - last) > absolute);
        last = value;
      }
      assert.ok(Math.abs(value - last!) <= absolute);
    }
  }), { numRuns: 200 });
});

test("deadband lets another quality or unit pass, and readings of other tags", () => {
  const step = openStep(deadbandStep, { absolute: 10, tags: ["t"] });
  assert.equal(step.readings(1000, [{ tag: "t", value: 1 }])[0]?.timestamp, 1000);
  assert.equal(step.readings(1001, [{ tag: "t", value: 2, quality: "bad" }]).length, 1);
  assert.equal(step.readings(1002, [{ tag: "t", value: 2, quality: "bad" }]).length, 0);
  assert.equal(step.readings(1003, [{ tag: "t", value: 2, quality: "good" }]).length, 1);
  assert.equal(step.readings(1004, [{ tag: "t", value: 2, unit: "K" }]).length, 1);
  assert.deepEqual(step.readings(1005, [{ tag: "t", value: 2, unit: "K" }, { tag: "u", value: 5 }])[0]?.payload, { values: [{ tag: "u", value: 5 }] });
  assert.equal(step.send({ payload: "no readings" }).length, 1);
});

test("deadband keeps topics and tags apart", () => {
  const step = openStep(deadbandStep, {});
  assert.deepEqual(["status/a", "status/b", "status/a"].map((topic) => step.send({ topic, payload: { t: 1 } }).length), [1, 1, 0]);
});

test("deadband lets late readings pass without following them, or drops them", () => {
  const step = openStep(deadbandStep, { absolute: 1 });
  step.readings(2000, { t: 10 });
  assert.equal(step.readings(1000, { t: 50 }).length, 1);
  assert.equal(step.readings(2001, { t: 10.5 }).length, 0, "10 still counts");
  assert.equal(step.counted("late"), 1);
  const strict = openStep(deadbandStep, { absolute: 1, late: "drop" });
  strict.readings(2000, { t: 10 });
  assert.equal(strict.readings(1000, { t: 50 }).length, 0);
});

test("deadband sends late readings of a retained message without retaining them", () => {
  const step = openStep(deadbandStep, {});
  step.send({ retain: true, timestamp: 2000, payload: { a: 1, b: 1 } });
  const out = step.send({ retain: true, timestamp: 2100, payload: { values: [{ tag: "a", value: 2, timestamp: 1500 }, { tag: "b", value: 2 }] } });
  assert.deepEqual(out.map(({ retain, timestamp, payload }) => [retain, timestamp, payload]), [
    [true, 2100, { values: [{ tag: "b", value: 2 }] }],
    [false, 1500, { values: [{ tag: "a", value: 2, quality: "good" }] }],
  ]);
});

test("deadband sends the newest reading it held back once the heartbeat is due, and makes up none", async () => {
  const step = openStep(deadbandStep, { absolute: 10, heartbeat: "10s" });
  const start = step.clock.now();
  step.readings(start, { t: 1 });
  await step.clock.advance(4000);
  step.readings(start + 4000, { t: 2 });
  step.readings(start + 5000, { t: 3 });
  await step.clock.advance(5999);
  assert.deepEqual(valuesOf(step), [1]);
  await step.clock.advance(1);
  assert.deepEqual(valuesOf(step), [1, 3]);
  assert.deepEqual([step.emitted[1]?.timestamp, step.emitted[1]?.topic, step.counted("heartbeat")], [start + 5000, "status/plc-1", 1]);
  await step.clock.advance(100_000);
  assert.equal(step.emitted.length, 2, "the source is silent");
  assert.equal(step.clock.timers, 0);
});

test("deadband's heartbeat goes by event time where readings come", () => {
  const step = openStep(deadbandStep, { heartbeat: "10s" });
  assert.deepEqual([0, 5000, 10_000, 15_000, 20_000].map((at) => step.readings(at, { t: 1 }).length), [1, 0, 1, 0, 1]);
  step.close();
  assert.equal(step.clock.timers, 0);
});

test("deadband remembers over a restart what it sent and what it holds back", async () => {
  const first = openStep(deadbandStep, { absolute: 10, heartbeat: "10s" });
  const start = first.clock.now();
  first.readings(start, { t: 1 });
  await first.clock.advance(2000);
  first.readings(start + 2000, { t: 2 });
  const second = first.restart();
  assert.equal(second.readings(start + 2500, { t: 5 }).length, 0);
  await second.clock.advance(8000);
  assert.deepEqual(valuesOf(second), [5]);
  assert.equal(second.readings(start + 2000, { t: 90 }).length, 1, "late, as it would have been before");
  assert.equal(second.counted("late"), 1);
  const third = second.restart({ absolute: 1 });
  assert.equal(third.readings(start + 11_000, { t: 5.5 }).length, 0, "another deadband, the same values");
});

test("deadband takes one kind of deadband", () => {
  for (const config of [{ absolute: 1, percent: 1 }, { range: [0, 1] }, { percent: 1, range: [1, 0] }, { absolute: -1 }, { heartbeat: 0 }, { late: "mark" }]) assert.equal(v.safeParse(deadbandStep.config, config).success, false, JSON.stringify(config));
});
