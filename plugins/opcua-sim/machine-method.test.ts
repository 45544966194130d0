import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { checkPlant, compilePlant } from "./compiled-plant.ts";
import { callMethod } from "./machine-method.ts";
import { plantSchema } from "./plant.ts";
import { statusOfMachine } from "./plant-publisher.ts";
import { PlantError } from "./plant-error.ts";
import { Simulation } from "./simulation.ts";

const tags = [
  { name: "on", kind: "bool" as const, signal: { kind: "setpoint" as const, value: false } },
  { name: "speed", range: [0, 10] as [number, number], signal: { kind: "setpoint" as const, value: 1 } },
  { name: "items", kind: "int" as const, range: [0, 1_000] as [number, number], signal: { kind: "counter" as const, rate: 10 } },
];
const machine = {
  id: "m",
  tags,
  methods: [{ name: "start", set: { on: true }, arguments: [{ name: "at", tag: "speed" }], reset: ["items"] }],
  arrays: [{ name: "pair", of: ["speed", "speed"] }],
  structures: [{ name: "state", fields: { on: "on", Items: "items" } }],
};

const build = () => new Simulation(compilePlant(v.parse(plantSchema, { machines: [machine] })), { start: 0 });

test("callMethod() writes, sets counters back and says what they stood at", () => {
  const simulation = build();
  simulation.step(5_000);
  const found = simulation.machine("m")!;
  const written: string[] = [];
  simulation.listen({ written: ({ id }) => void written.push(id) });
  assert.deepEqual(callMethod(found, { method: "start", arguments: { at: 7 } }, { simulation, now: 5_000 }), { items: 50 });
  const values = () => found.tags.map((tag) => simulation.value(tag));
  assert.deepEqual(values(), [true, 7, 0]);
  simulation.step(6_000);
  assert.deepEqual(values(), [true, 7, 10]);
  assert.ok(written.length > 0);
});

test("callMethod() does nothing of a call that it refuses", () => {
  const simulation = build();
  simulation.step(5_000);
  const found = simulation.machine("m")!;
  const refused = (method: string, given?: Record<string, unknown>): string => {
    try {
      callMethod(found, { method, ...(given ? { arguments: given } : {}) }, { simulation, now: 5_000 });
    } catch (error) {
      if (error instanceof PlantError) return error.code;
      throw error;
    }
    return "done";
  };
  assert.deepEqual([refused("stop"), refused("start"), refused("start", { at: 1, by: 2 }), refused("start", { at: "fast" }), refused("start", { at: 11 })], ["NO_SUCH_METHOD", "BAD_COMMAND", "BAD_COMMAND", "WRONG_TYPE", "OUT_OF_RANGE"]);
  assert.deepEqual(found.tags.map((tag) => simulation.value(tag)), [false, 1, 50]);
});

test("statusOfMachine() shows arrays and structures with the worst quality of their tags", () => {
  const simulation = build();
  const found = simulation.machine("m")!;
  assert.deepEqual(statusOfMachine(simulation, found).values.slice(3), [{ tag: "pair", value: [1, 1], quality: "good" }, { tag: "state", value: { on: false, Items: 0 }, quality: "good" }]);
  simulation.impair(found.tags[2]!, { code: "UncertainLastUsableValue", stuck: false, shift: 0 });
  const status = statusOfMachine(simulation, found);
  assert.deepEqual([status.quality, status.values[3]!.quality, status.values[4]!.quality, status.values[4]!.code], ["uncertain", "good", "uncertain", "UncertainLastUsableValue"]);
});

test("checkPlant() places every part that names what is not there", () => {
  const bad = {
    id: "m",
    tags,
    methods: [{ name: "on", set: { items: 1 }, arguments: [{ name: "a", tag: "x" }], reset: ["speed"] }],
    arrays: [{ name: "a", of: ["on", "speed"] }],
    structures: [{ name: "a", fields: { f: "none" } }],
  };
  assert.deepEqual(
    checkPlant(v.parse(plantSchema, { machines: [bad] })).map(({ path }) => path.slice(2).join(".")),
    ["methods.0.name", "methods.0.set.items", "methods.0.arguments.0.tag", "methods.0.reset.0", "arrays.0.of.1", "structures.0.name", "structures.0.fields.f"],
  );
});
