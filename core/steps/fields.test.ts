import assert from "node:assert/strict";
import { test } from "node:test";
import { openStep, payloadsOf, readings, takes } from "./run-step.ts";

/** For each step: config, payload, and the payloads that come of it. */
const table: readonly (readonly [step: string, config: unknown, payload: unknown, made: readonly unknown[]])[] = [
  ["pick", ["temperature"], readings, [{ values: [readings.values[0]], quality: "uncertain" }]],
  ["pick", ["a", "b.c", "x"], { a: 1, b: { c: 2, d: 3 }, e: 4 }, [{ a: 1, b: { c: 2 } }]],
  ["pick", ["x"], { a: 1 }, []],
  ["pick", ["x"], readings, []],
  ["pick", ["x"], "text", []],
  ["drop", ["temperature"], readings, [{ values: [readings.values[1]], quality: "uncertain" }]],
  ["drop", ["a", "b.c", "x"], { a: 1, b: { c: 2, d: 3 } }, [{ b: { d: 3 } }]],
  ["drop", ["a"], { a: 1 }, []],
  ["drop", ["a"], 7, [7]],
  ["drop", ["a.b"], { a: 5 }, [{ a: 5 }]],
  ["set", { fields: { site: "north", temperature: 1 } }, readings, [{ values: [{ tag: "temperature", value: 1, unit: "°C" }, readings.values[1], { tag: "site", value: "north" }], quality: "uncertain" }]],
  ["set", { fields: { "a.b": 1, c: null } }, { a: { x: 2 }, c: 3 }, [{ a: { x: 2, b: 1 }, c: null }]],
  ["set", { fields: { a: 1 } }, "text", [{ a: 1 }]],
  ["set", { payload: { valve: true } }, readings, [{ valve: true }]],
  ["set", { payload: { valve: true }, fields: { for: 60 } }, readings, [{ valve: true, for: 60 }]],
  ["set", { payload: null }, readings, [null]],
  ["rename", { temperature: "t", "motor.speed": "speed" }, readings, [{ values: [{ tag: "t", value: 95, unit: "°C" }, { tag: "speed", value: 3, quality: "bad" }], quality: "uncertain" }]],
  ["rename", { temperature: "motor.speed" }, readings, [{ values: [{ tag: "motor.speed", value: 95, unit: "°C" }], quality: "uncertain" }]],
  ["rename", { a: "b", b: "a" }, { a: 1, b: 2, c: 3 }, [{ a: 2, b: 1, c: 3 }]],
  ["rename", { "a.b": "c.d", x: "y" }, { a: { b: 1, e: 2 } }, [{ a: { e: 2 }, c: { d: 1 } }]],
  ["readings", {}, { temperature: 23.5, on: true, name: "x", list: [], none: null }, [{ values: [{ tag: "temperature", value: 23.5, quality: "good" }, { tag: "on", value: true, quality: "good" }, { tag: "name", value: "x", quality: "good" }], quality: "good" }]],
  ["readings", {}, readings, [{ values: [{ ...readings.values[0], quality: "uncertain" }, readings.values[1]], quality: "uncertain" }]],
  ["readings", {}, { list: [] }, []],
  ["readings", {}, [1, 2], []],
  ["readings", {}, new Uint8Array(2), []],
];

for (const [step, config, payload, made] of table) {
  test(`${step} ${JSON.stringify(config)} makes of ${JSON.stringify(payload).slice(0, 60)} what it should`, () => {
    const before = structuredClone(payload);
    assert.deepEqual(payloadsOf(step, config, payload), made);
    assert.deepEqual(payload, before, "the payload is shared and must not change");
  });
}

test("set changes how a message is handled", () => {
  const [message] = openStep("set", { qos: 1, retain: true, ttl: "30s" })({ payload: 5, qos: 0 });
  assert.deepEqual([message?.payload, message?.qos, message?.retain, message?.expires], [5, 1, true, 31_000]);
});

test("steps leave prototypes alone", () => {
  const hostile: unknown = JSON.parse('{"__proto__":{"bad":1},"a":{"__proto__":{"bad":1}},"b":1}');
  for (const [step, config] of [["drop", ["b"]], ["rename", { b: "c" }], ["set", { fields: { "a.x": 1 } }], ["pick", ["a", "b"]]] as const) {
    const [made] = payloadsOf(step, config, hostile);
    assert.equal(Object.getPrototypeOf(made), Object.prototype, step);
    assert.equal((made as { bad?: unknown }).bad, undefined, step);
  }
  assert.equal(Reflect.get({}, "bad"), undefined);
  for (const [step, config] of [["pick", ["__proto__"]], ["drop", ["a.prototype"]], ["rename", { a: "constructor" }], ["set", { fields: { "x.__proto__.y": 1 } }]] as const) assert.equal(takes(step, config), false, step);
});
