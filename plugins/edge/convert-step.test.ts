import assert from "node:assert/strict";
import { test } from "node:test";
import { openStep } from "@busbar/core/testkit";
import * as v from "valibot";
import { convertStep } from "./convert-step.ts";

const readings = (...values: readonly object[]) => ({ values });
const room = readings({ tag: "temperature", value: 25, unit: "°C" }, { tag: "pressure", value: 1013.25, unit: "mbar", quality: "uncertain" }, { tag: "state", value: "on" }, { tag: "flow", value: 3 });

/** For each config: payload, what becomes of it, and how many readings could not be converted. */
const table: readonly (readonly [config: object, payload: unknown, made: unknown, left: number])[] = [
  [
    { to: { temperature: "°F", pressure: "bar" } },
    room,
    readings({ tag: "temperature", value: 77, unit: "°F", quality: "good" }, { tag: "pressure", value: 1.01325, unit: "bar", quality: "uncertain" }, room.values[2]!, room.values[3]!),
    1,
  ],
  [{ from: "mbar", to: "kPa" }, room, readings(room.values[0]!, { tag: "pressure", value: 101.325, unit: "kPa", quality: "uncertain" }, room.values[2]!, room.values[3]!), 2],
  [{ tags: ["flow"], from: "m³/h", to: "l/min", decimals: 1 }, room, readings(...room.values.slice(0, 3), { tag: "flow", value: 50, unit: "l/min", quality: "good" }), 0],
  [{ tags: ["flow"], to: "l/min" }, room, room, 1],
  [{ tags: ["t*"], to: "K" }, room, readings({ tag: "temperature", value: 298.15, unit: "K", quality: "good" }, ...room.values.slice(1)), 0],
  [{ tags: ["raw"], scale: 0.1, offset: -40, unit: "°C" }, { raw: 653, other: 1 }, { values: [{ tag: "raw", value: 25.3, unit: "°C", quality: "good" }, { tag: "other", value: 1, quality: "good" }] }, 0],
  [{ tags: ["raw"], scale: 0.001, decimals: 2 }, { raw: 12345, on: true }, { raw: 12.35, on: true }, 0],
  [{ offset: 1 }, { a: 1, text: "x", flag: true }, { a: 2, text: "x", flag: true }, 0],
  [{ to: "°F" }, readings({ tag: "t", value: null, unit: "°C", quality: "bad", code: "BadNoCommunication" }), readings({ tag: "t", value: null, unit: "°F", quality: "bad", code: "BadNoCommunication" }), 0],
  [{ to: "°F" }, readings({ tag: "t", value: 0, unit: "furlong" }), readings({ tag: "t", value: 0, unit: "furlong" }), 1],
  [{ to: "MWh" }, readings({ tag: "e", value: 2500, unit: "KWH" }), readings({ tag: "e", value: 2.5, unit: "MWh", quality: "good" }), 0],
  [{ to: "K" }, "no readings", "no readings", 0],
];

for (const [config, payload, made, left] of table) {
  test(`convert ${JSON.stringify(config)} makes of ${JSON.stringify(payload).slice(0, 60)} what it should`, () => {
    const before = structuredClone(payload);
    const step = openStep(convertStep, config);
    assert.deepEqual(step.send({ payload }).map((message) => message.payload), [made]);
    assert.deepEqual(payload, before, "the payload is shared and must not change");
    assert.equal(step.counted("not-converted"), left);
    step.close();
  });
}

test("convert says of a config what would be right", () => {
  const problem = (config: unknown): string => {
    const result = v.safeParse(convertStep.config, config);
    return (result.issues ?? []).map((issue) => `${v.getDotPath(issue) ?? ""}: ${issue.message}`).join("\n");
  };
  const cases: readonly (readonly [config: object, said: RegExp])[] = [
    [{ to: "degX" }, /is no known unit: "degX"; did you mean "/],
    [{ to: { temperature: "°f" } }, /^$/],
    [{ to: { temprature: "°F" } }, /is for no known quantity: "temprature"; did you mean "temperature"\?/],
    [{ to: { temperature: "bar" } }, /is a unit of pressure, not of temperature; allowed: K, °C, °F/],
    [{ to: { "energy/mass": "kWh/t" } }, /^$/],
    [{ to: { speed: "km/h", flow: "m³/h" } }, /^$/],
    [{}, /says not what to convert to/],
    [{ to: "K", scale: 2 }, /to: cannot stand beside scale/],
    [{ from: "K", scale: 2 }, /from: is of use with `to` only/],
    [{ from: "K", to: "bar" }, /from: measures something else/],
    [{ scale: 0 }, /scale: must not be 0/],
    [{ offset: 1, decimals: 20 }, /decimals/],
    [{ to: "K", tag: "x" }, /tag/],
  ];
  for (const [config, said] of cases) assert.match(problem(config), said, JSON.stringify(config));
});
