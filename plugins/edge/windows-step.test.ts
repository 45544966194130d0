import assert from "node:assert/strict";
import { test } from "node:test";
import type { Envelope } from "@busbar/core";
import { fakeClock, openStep } from "@busbar/core/testkit";
import fc from "fast-check";
import * as v from "valibot";
import { windowsStep } from "./windows-step.ts";

interface Payload {
  readonly values: readonly { readonly tag: string; readonly value: unknown; readonly unit?: string; readonly quality: string }[];
  readonly quality: string;
  readonly start: number;
  readonly end: number;
}

const told = (messages: readonly Envelope[]): readonly unknown[] => messages.map(({ payload }) => {
  const { start, end, quality, values } = payload as Payload;
  return [start, end, quality, Object.fromEntries(values.map(({ tag, value, unit }) => [tag, unit === undefined ? value : `${String(value)} ${unit}`]))];
});

const minute = 60_000;

test("windows tells the aggregates of a window when a reading behind it comes", () => {
  const step = openStep(windowsStep, { size: "1m", lateness: 0, aggregates: ["mean", "max", "count", "stddev"] }, { clock: fakeClock(10 * minute) });
  step.readings(minute, [{ tag: "t", value: 10, unit: "°C" }, { tag: "p", value: 1 }]);
  step.readings(minute + 30_000, [{ tag: "t", value: 14, unit: "°C" }]);
  assert.deepEqual(step.emitted, []);
  const [message, ...more] = step.readings(2 * minute, [{ tag: "t", value: 99, unit: "°C" }]);
  assert.deepEqual(more, []);
  assert.deepEqual([message!.topic, message!.timestamp, message!.from, message!.retain], ["status/plc-1", 2 * minute, "plc-1", false]);
  assert.deepEqual(told([message!]), [[minute, 2 * minute, "good", { "t.mean": "12 °C", "t.max": "14 °C", "t.count": 2, "t.stddev": `${Math.sqrt(8)} °C` }]]);
  assert.deepEqual(told(step.readings(2 * minute, { p: 2 })), [[minute, 2 * minute, "good", { "p.mean": 1, "p.max": 1, "p.count": 1 }]]);
  step.close();
  assert.equal(step.clock.timers, 0);
});

test("windows closes by the clock when nothing comes, and then counts what is too late", async () => {
  const step = openStep(windowsStep, { size: "1m", lateness: "5s", idle: "10s", aggregates: ["sum"] }, { clock: fakeClock(minute + 1000) });
  step.readings(minute + 1000, { t: 5 });
  await step.clock.advance(63_000);
  assert.deepEqual(step.emitted, [], "its end plus the lateness has not passed");
  await step.clock.advance(2000);
  assert.deepEqual(told(step.emitted), [[minute, 2 * minute, "good", { "t.sum": 5 }]]);
  assert.deepEqual(step.readings(minute + 20_000, { t: 100 }), []);
  assert.equal(step.counted("late"), 0, "it waits for its order");
  await step.clock.advance(20_000);
  assert.equal(step.counted("late"), 1);
  assert.equal(step.emitted.length, 1, "a window is told once");
  step.close();
});

test("windows closed by the clock gives the same msgid when it is made again", async () => {
  const run = async (): Promise<string> => {
    const step = openStep(windowsStep, { size: "1m" }, { clock: fakeClock(minute) });
    step.readings(minute, { t: 5 });
    await step.clock.advance(2 * minute);
    step.close();
    assert.equal(step.emitted.length, 1);
    return step.emitted[0]!.msgid;
  };
  assert.equal(await run(), await run());
});

test("windows slides, by time and by number", () => {
  const clock = fakeClock(10 * minute);
  const slides = openStep(windowsStep, { size: "1m", every: "30s", lateness: 0, aggregates: ["sum"] }, { clock });
  for (const [at, value] of [[0, 1], [30, 10], [60, 100], [120, 1000]]) slides.readings(minute + at! * 1000, { t: value });
  assert.deepEqual(told(slides.emitted).map((one) => (one as unknown[]).slice(1)), [[1.5, 1], [2, 11], [2.5, 110], [3, 100]].map(([end, sum]) => [end! * minute, "good", { "t.sum": sum }]));
  const counts = openStep(windowsStep, { count: 4, every: 2, lateness: 0, aggregates: ["sum", "first"] }, { clock });
  for (let at = 1; at <= 7; at++) counts.readings(at * 10, { t: at });
  assert.deepEqual(told(counts.emitted), [[10, 40, "good", { "t.sum": 10, "t.first": 1 }], [30, 60, "good", { "t.sum": 18, "t.first": 3 }]]);
  slides.close();
  counts.close();
});

test("windows are laid out by the zone", () => {
  const day = 24 * 60 * minute;
  const step = openStep(windowsStep, { size: "1d", zone: "+02:00", lateness: 0, aggregates: ["count"] }, { clock: fakeClock(30 * day) });
  for (const at of [day, 2 * day - 2 * 60 * minute - 1, 2 * day - 2 * 60 * minute]) step.readings(at, { t: 1 });
  assert.deepEqual(told(step.emitted), [[day - 120 * minute, 2 * day - 120 * minute, "good", { "t.count": 2 }]]);
  step.close();
});

test("windows integrates power to energy, whose windows add up, and follows counters", () => {
  const step = openStep(windowsStep, { size: "15m", gap: "1h", lateness: 0, aggregates: ["integral", "time-mean", "coverage"], name: "{tag}/{aggregate}" }, { clock: fakeClock(1000 * minute) });
  for (const [at, value] of [[0, 4], [20, 4], [40, 8], [60, 8]]) step.readings(at! * minute + 900_000, [{ tag: "p", value, unit: "kW" }]);
  const sums = step.emitted.map(({ payload }) => Number((payload as Payload).values[0]!.value));
  assert.deepEqual(told(step.emitted)[0], [15 * minute, 30 * minute, "good", { "p/integral": "1 kWh", "p/time-mean": "4 kW", "p/coverage": 1 }]);
  assert.ok(Math.abs(sums.reduce((sum, one) => sum + one) - (20 * 4 + 20 * 6 + 20 * 8) / 60) < 1e-9, String(sums));
  const counter = openStep(windowsStep, { count: 3, lateness: 0, aggregates: ["increase", "rate"], bits: 16, per: "second" }, { clock: fakeClock(minute) });
  for (const [at, value] of [[1, 65_530], [2, 65_535], [3, 4]]) counter.readings(at! * 1000, [{ tag: "n", value, unit: "pcs" }]);
  assert.deepEqual(told(counter.emitted), [[1000, 3000, "good", { "n.increase": "10 pcs", "n.rate": "5 pcs/s" }]]);
  step.close();
  counter.close();
});

test("windows leaves bad readings out and says how good the rest is", () => {
  const config = { count: 4, lateness: 0, good: 0.75, aggregates: ["mean", "good", "count"] };
  const run = (qualities: readonly string[], values: readonly unknown[] = [1, 2, 3, 4]): readonly unknown[] => {
    const step = openStep(windowsStep, config, { clock: fakeClock(minute) });
    qualities.forEach((quality, at) => void step.readings(1000 + at, [{ tag: "t", value: values[at], quality }]));
    step.close();
    return told(step.emitted).map((one) => (one as unknown[]).slice(2));
  };
  assert.deepEqual(run(["good", "good", "good", "bad"]), [["good", { "t.mean": 2, "t.good": 0.75, "t.count": 3 }]]);
  assert.deepEqual(run(["good", "uncertain", "good", "bad"]), [["uncertain", { "t.mean": 2, "t.good": 0.5, "t.count": 3 }]]);
  assert.deepEqual(run(["bad", "bad", "bad", "bad"], [null, null, null, null]), [["bad", { "t.mean": null, "t.good": 0, "t.count": 0 }]]);
});

test("windows counts booleans as 0 and 1 that hold, and passes on what it is not about", () => {
  const step = openStep(windowsStep, { size: "1m", lateness: 0, tags: ["run*"], aggregates: ["time-mean", "mean"] }, { clock: fakeClock(10 * minute) });
  assert.deepEqual(step.readings(minute, { running: true, other: 7 }).map(({ payload }) => payload), [{ values: [{ tag: "other", value: 7 }] }]);
  assert.deepEqual(step.send({ payload: "no readings" }).map(({ payload }) => payload), ["no readings"]);
  step.readings(minute + 45_000, { running: false });
  step.readings(minute + 50_000, { runtext: "x" });
  assert.deepEqual(told(step.readings(2 * minute, { running: true })), [[minute, 2 * minute, "good", { "running.time-mean": 0.75, "running.mean": 0.5 }]]);
  assert.equal(step.counted("not-a-number"), 1);
  step.close();
});

test("windows gives up what is open when the unit changes", () => {
  const step = openStep(windowsStep, { count: 2, lateness: 0, aggregates: ["mean"] }, { clock: fakeClock(minute) });
  const send = (at: number, value: number, unit?: string): readonly unknown[] => told(step.readings(at, [{ tag: "t", value, ...(unit === undefined ? {} : { unit }) }])).map((one) => (one as unknown[])[3]);
  assert.deepEqual([send(1, 10, "°C"), send(2, 50, "°F"), send(3, 52)], [[], [], [{ "t.mean": "51 °F" }]]);
  assert.equal(step.counted("unit-changed"), 1);
  step.close();
});

test("windows does not follow a clock that is far ahead", () => {
  const step = openStep(windowsStep, { size: "1m", lateness: 0, aggregates: ["count"] }, { clock: fakeClock(10 * minute) });
  for (const at of [10 * minute, 500 * minute, 10 * minute + 1000, 11 * minute]) step.readings(at, { t: 1 });
  assert.deepEqual(told(step.emitted), [[10 * minute, 11 * minute, "good", { "t.count": 3 }]]);
  assert.equal(step.counted("ahead"), 1);
  step.close();
});

test("windows closes what is open of a series that it must forget", () => {
  const step = openStep(windowsStep, { size: "1m", series: 1, lateness: 0, aggregates: ["count"] }, { clock: fakeClock(10 * minute) });
  step.readings(minute, { a: 1 });
  assert.deepEqual(told(step.readings(minute, { b: 1 })), [[minute, 2 * minute, "good", { "a.count": 1 }]]);
  step.close();
});

test("windows goes on after a restart as if there had been none, whatever the order within the lateness", () => {
  const reading = fc.record({ gap: fc.integer({ min: 0, max: 20_000 }), delay: fc.integer({ min: 0, max: 10_000 }), value: fc.integer({ min: -50, max: 50 }), tag: fc.constantFrom("a", "b") });
  const config = { size: "1m", every: "20s", lateness: "10s", aggregates: ["mean", "p50", "integral", "count"] };
  fc.assert(
    fc.property(fc.array(reading, { maxLength: 40, size: "max" }), fc.nat(40), fc.nat(40), (list, one, other) => {
      let time = minute;
      const arriving = list.map(({ gap, delay, value, tag }) => ({ at: (time += gap), by: time + delay, value, tag })).toSorted((left, right) => left.by - right.by);
      const run = (restarts: readonly number[]): readonly unknown[] => {
        let step = openStep(windowsStep, config, { clock: fakeClock(60 * minute) });
        const emitted: Envelope[] = [];
        for (const [index, { at, value, tag }] of arriving.entries()) {
          if (restarts.includes(index)) {
            emitted.push(...step.emitted);
            step = step.restart();
          }
          step.readings(at, { [tag]: value });
        }
        for (const at of [30, 31]) step.readings(at * minute, { a: 0, b: 0 });
        assert.equal(step.counted("late"), 0);
        step.close();
        return [...emitted, ...step.emitted].map(({ msgid, timestamp, payload }) => [msgid, timestamp, payload]);
      };
      const whole = run([]);
      assert.deepEqual(run([one, other]), whole);
      assert.ok(whole.length > 0 || list.length === 0);
      assert.equal(new Set(whole.map((message) => (message as unknown[])[0])).size, whole.length, "each window once");
    }),
    { numRuns: 50 },
  );
});

test("windows says of a config what is wrong", () => {
  const bad: readonly object[] = [
    {}, { size: "1m", count: 5 }, { size: "1m", every: "2m" }, { count: 10, every: 3 }, { count: 10, every: "10s" }, { size: "1m", aggregates: [] }, { size: "1m", aggregates: ["p101"] }, { size: "1m", aggregates: ["average"] },
    { size: "1m", name: "{tag}" }, { size: "1m", zone: "CET" }, { size: "1d", every: "86399s" }, { size: "1s", gap: "3h", aggregates: ["integral"] }, { size: "1m", bits: 16, last: 5 }, { size: "1m", good: 2 },
  ];
  for (const config of bad) assert.equal(v.safeParse(windowsStep.config, config).success, false, JSON.stringify(config));
  for (const config of [{ size: "1m", aggregates: ["mean"], name: "{tag}" }, { size: 100, every: 50 }, { count: 10, every: 5 }]) assert.equal(v.safeParse(windowsStep.config, config).success, true, JSON.stringify(config));
  assert.match(v.safeParse(windowsStep.config, { size: "1m", aggregates: ["average"] }).issues![0].message, /is no aggregate: "average"; allowed: mean, time-mean/);
});
