import assert from "node:assert/strict";
import { test } from "node:test";
import type { Envelope } from "@busbar/core";
import { openStep } from "@busbar/core/testkit";
import * as v from "valibot";
import { rateStep } from "./rate-step.ts";
import { samplesOf } from "./samples.ts";

const told = (messages: readonly Envelope[]): readonly unknown[] => messages.flatMap((message) => samplesOf(message).map(({ tag, value, unit }) => (unit === undefined ? [tag, value] : [tag, value, unit])));

test("rate adds how fast a counter rises, with its unit, over a roll-over", () => {
  const step = openStep(rateStep, { tags: ["energy"], bits: 16, per: "hour" });
  const send = (seconds: number, value: unknown): readonly unknown[] => told(step.readings(1_000_000 + seconds * 1000, [{ tag: "energy", value, unit: "kWh" }, { tag: "other", value: 1 }]));
  assert.deepEqual(send(0, 65_530), [["energy", 65_530, "kWh"], ["other", 1]]);
  assert.deepEqual(send(1800, 65_535), [["energy", 65_535, "kWh"], ["other", 1], ["energy.rate", 10, "kWh/h"]]);
  assert.deepEqual(send(2700, 1), [["energy", 1, "kWh"], ["other", 1], ["energy.rate", 8, "kWh/h"]]);
  assert.equal(step.counted("rollover"), 1);
  step.close();
});

test("rate tells increase and total instead of the counter, with another config in between", () => {
  const step = openStep(rateStep, { gives: ["increase", "total"], name: "{tag}_{what}", keep: false });
  assert.deepEqual(told(step.readings(1000, { pulses: 10 })), []);
  assert.deepEqual(told(step.readings(2000, { pulses: 14 })), [["pulses_increase", 4], ["pulses_total", 4]]);
  const next = step.restart({ gives: ["increase", "total"], name: "{tag}_{what}", keep: false, gap: "1d" });
  assert.deepEqual(told(next.readings(3000, { pulses: 2 })), [["pulses_increase", 2], ["pulses_total", 6]]);
  assert.equal(next.counted("reset"), 1);
  next.close();
});

test("rate waits for `every`, begins anew after `gap`, and believes nothing faster than `fastest`", () => {
  const step = openStep(rateStep, { every: "1s", gap: "10s", fastest: 100, keep: false });
  const send = (at: number, value: unknown): readonly unknown[] => told(step.readings(at, { n: value }));
  assert.deepEqual([send(1000, 0), send(1500, 3), send(2000, 5), send(3500, 5)], [[], [], [["n.rate", 5, "1/s"]], [["n.rate", 0, "1/s"]]]);
  assert.deepEqual([send(20_000, 50), send(21_000, 60)], [[], [["n.rate", 10, "1/s"]]]);
  assert.deepEqual([send(22_000, 5000), send(23_000, 5001)], [[["n.rate", 0, "1/s"]], [["n.rate", 1, "1/s"]]]);
  assert.equal(step.counted("jump"), 1);
  step.close();
});

test("rate takes counters beyond 2^53 as decimal text, and passes bad, late and other readings as they are", () => {
  const step = openStep(rateStep, { bits: 64 });
  const send = (at: number, reading: object): readonly unknown[] => told(step.readings(at, [{ tag: "n", ...reading }]));
  assert.deepEqual(send(1000, { value: "18446744073709551610" }), [["n", "18446744073709551610"]]);
  assert.deepEqual(send(2000, { value: null, quality: "bad" }), [["n", null]]);
  assert.deepEqual(send(3000, { value: 4 }), [["n", 4], ["n.rate", 5, "1/s"]]);
  assert.deepEqual(send(2500, { value: 2 }), [["n", 2]]);
  assert.deepEqual(send(4000, { value: "text" }), [["n", "text"]]);
  assert.equal(step.counted("late"), 1);
  step.close();
});

test("rate says of a config what is wrong", () => {
  for (const config of [{ bits: 16, last: 9999 }, { bits: 12 }, { gives: ["rate", "total"], name: "{tag}" }, { gives: [] }, { every: "2h" }, { fastest: 0 }, { name: "x" }]) {
    assert.equal(v.safeParse(rateStep.config, config).success, false, JSON.stringify(config));
  }
});
