import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { checkPlant, compilePlant, numberOf, valueOf } from "./compiled-plant.ts";
import { defaultPlant } from "./default-plant.ts";
import { fleetSchema, type PlantData, plantSchema } from "./plant.ts";

const parse = (data: PlantData) => v.parse(plantSchema, data);
const problemsOf = (tag: Record<string, unknown>): readonly string[] =>
  checkPlant(v.parse(plantSchema, { machines: [{ id: "m", tags: [{ name: "x", signal: { kind: "sine" }, ...tag }, { name: "flag", kind: "bool", signal: { kind: "setpoint", value: true } }] }] })).map(
    (problem) => `${problem.path.join(".")}: ${problem.message}`,
  );

test("compilePlant() makes the default plant with its lamp and fan", () => {
  const plant = compilePlant(parse(defaultPlant));
  assert.deepEqual(plant.machines.map((machine) => machine.id), ["boiler-1", "pump-1", "press-1", "conveyor-1", "lamp-1", "fan-1"]);
  assert.deepEqual(plant.machines[4]!.tags.map((tag) => [tag.name, tag.writable]), [["on", true], ["brightness", true], ["power", false]]);
  assert.deepEqual(plant.machines[5]!.tags.map((tag) => [tag.name, tag.high]), [["on", 1], ["speed", 3], ["rpm", 1_200]]);
  plant.tags.forEach((tag, at) => assert.equal(tag.index, at));
});

test("compilePlant() makes a fleet of the size that is asked for", () => {
  const plant = compilePlant(parse({}), v.parse(fleetSchema, { machines: 10, tags: 100 }));
  assert.equal(plant.tags.length, 1_000);
  assert.equal(plant.machines[9]!.id, "sim-010");
  assert.deepEqual([...new Set(plant.tags.map((tag) => tag.spec.signal.kind))].sort(), ["counter", "random-walk", "setpoint", "sine", "spike", "step"]);
});

test("compilePlant() refuses more machines than Modbus has unit ids", () => {
  const machines = Array.from({ length: 100 }, (_, k) => ({ id: `m${k}`, tags: [{ name: "x", signal: { kind: "sine" as const } }] }));
  assert.throws(() => compilePlant(parse({ machines }), v.parse(fleetSchema, { machines: 200 })), /Cannot serve 300 machines and devices: the limit is 247/);
});

test("compilePlant() refuses a fleet machine whose id is taken", () => {
  assert.throws(() => compilePlant(parse({ devices: [{ kind: "lamp", id: "sim-001" }] }), v.parse(fleetSchema, {})), /"sim-001": that id is taken/);
});

test("plantSchema refuses unknown keys, reserved ids and unknown signals", () => {
  const tag = { name: "x", signal: { kind: "sine" } };
  for (const bad of [
    { machinez: [] },
    { machines: [{ id: "server", tags: [tag] }] },
    { machines: [{ id: "group/a", tags: [tag] }] },
    { machines: [{ id: "a b", tags: [tag] }] },
    { machines: [{ id: "m", tags: [] }] },
    { machines: [{ id: "m", tags: [{ ...tag, colour: "red" }] }] },
    { machines: [{ id: "m", tags: [{ name: "x", signal: { kind: "sawtooth" } }] }] },
    { machines: [{ id: "m", tags: [{ name: "x", signal: { kind: "sine", period: 0 } }] }] },
    { devices: [{ kind: "toaster", id: "t" }] },
  ]) {
    assert.equal(v.safeParse(plantSchema, bad).success, false, JSON.stringify(bad));
  }
  assert.equal(v.safeParse(plantSchema, { machines: [{ id: "server-room/a.b", tags: [tag] }] }).success, true);
});

test("checkPlant() names every problem with its path", () => {
  const problems = checkPlant(
    parse({
      machines: [
        { id: "m", tags: [{ name: "x", range: [5, 5], signal: { kind: "sine" } }, { name: "x", signal: { kind: "follow", of: "nothing" } }] },
        { id: "m", tags: [{ name: "y", signal: { kind: "setpoint", value: 200 } }] },
      ],
      devices: [{ kind: "fan", id: "m" }],
    }),
  );
  assert.deepEqual(problems.map((problem) => problem.path.join(".")), ["machines.0.tags.0.range", "machines.0.tags.1.name", "machines.0.tags.1.signal.of", "machines.1.id", "machines.1.tags.0.signal.value", "devices.0.id"]);
});

test("checkPlant() refuses what a tag's kind does not allow", () => {
  const cases: readonly [Record<string, unknown>, RegExp][] = [
    [{ kind: "int", range: [0, 3_000_000_000] }, /not integers of 32 bits/],
    [{ kind: "bool", signal: { kind: "sine" } }, /Cannot give a bool a sine signal/],
    [{ kind: "bool", signal: { kind: "step", levels: [true, 1] } }, /Cannot use 1 here: the tag is of kind bool/],
    [{ kind: "string", signal: { kind: "setpoint", value: "a" } }, /Cannot make a string a set point/],
    [{ signal: { kind: "sine", low: -1 } }, /Cannot move between -1 and 100/],
    [{ signal: { kind: "follow", of: "flag", while: "x" } }, /Cannot depend on "x"/],
    [{ writable: true }, /Cannot make a tag with a sine signal writable/],
    [{ alarm: { when: true } }, /"when" is for bool/],
    [{ alarm: { low: 50, high: 40 } }, /they must rise/],
    [{ kind: "bool", signal: { kind: "constant", value: true }, alarm: { high: 1 } }, /"when" is for bool/],
  ];
  assert.deepEqual(problemsOf({}), []);
  for (const [tag, wanted] of cases) assert.match(problemsOf(tag).join("\n"), wanted, JSON.stringify(tag));
});

test("numberOf() and valueOf() are each other's reverse and refuse other kinds", () => {
  const levels = ["idle", "busy"];
  for (const [kind, value, number] of [["float", 1.5, 1.5], ["int", -3, -3], ["bool", true, 1], ["bool", false, 0], ["string", "busy", 1]] as const) {
    assert.equal(numberOf({ kind, levels }, value), number);
    assert.equal(valueOf({ kind, levels }, number), value);
  }
  for (const [kind, value] of [["float", "1"], ["float", Number.NaN], ["float", true], ["int", 1.5], ["bool", 1], ["string", "gone"], ["string", 0], ["int", null]] as const) {
    assert.equal(numberOf({ kind, levels }, value), undefined, `${kind} ${String(value)}`);
  }
});
