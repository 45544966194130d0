import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import type { AlarmEvent } from "./alarm.ts";
import { compilePlant, type Tag } from "./compiled-plant.ts";
import { defaultPlant } from "./default-plant.ts";
import { fleetSchema, type PlantData, plantSchema } from "./plant.ts";
import { PlantError } from "./plant-error.ts";
import { Simulation } from "./simulation.ts";

const start = 1_700_000_000_000;

function simulate(data: PlantData = defaultPlant, seed = 1): { simulation: Simulation; tag: (path: string) => Tag } {
  const simulation = new Simulation(compilePlant(v.parse(plantSchema, data)), { seed, start });
  const tag = (path: string): Tag => {
    const [machine, name] = path.split(".");
    const found = simulation.machine(machine!)?.tags.find((one) => one.name === name);
    assert.ok(found, path);
    return found;
  };
  return { simulation, tag };
}

const refusal = (code: string) => (error: unknown): boolean => error instanceof PlantError && error.code === code;

test("step() gives the same values for the same seed and other ones for another", () => {
  const [a, b, c] = [simulate(defaultPlant, 1), simulate(defaultPlant, 1), simulate(defaultPlant, 2)].map(({ simulation }) => {
    for (let at = 0; at <= 60_000; at += 500) simulation.step(start + at);
    return [...simulation.values];
  });
  assert.deepEqual(a, b);
  assert.notDeepEqual(a, c);
});

test("step() keeps every value within the range of its tag", () => {
  const { simulation } = simulate();
  for (let at = 0; at < 600_000; at += 700) {
    simulation.step(start + at);
    for (const tag of simulation.plant.tags) {
      const value = simulation.values[tag.index]!;
      assert.ok(value >= tag.low && value <= tag.high, `${tag.name} is ${value}`);
      if (tag.kind !== "float") assert.ok(Number.isInteger(value), `${tag.name} is ${value}`);
    }
  }
});

test("step() renews a tag with its own period only when it is due", () => {
  const { simulation, tag } = simulate({ machines: [{ id: "m", tags: [{ name: "x", every: 1_000, signal: { kind: "sine", period: 4_000 } }] }] });
  const seen: number[] = [];
  for (let at = 250; at <= 2_250; at += 250) {
    simulation.step(start + at);
    seen.push(simulation.values[tag("m.x").index]!);
  }
  assert.deepEqual(seen, [50, 50, 50, 100, 100, 100, 100, 50, 50]);
});

test("step() takes a time that went back as the last one", () => {
  const { simulation } = simulate();
  simulation.step(start + 5_000);
  const before = [...simulation.values];
  simulation.step(start - 5_000);
  assert.equal(simulation.now, start + 5_000);
  assert.deepEqual([...simulation.values], before);
});

test("write() lets what follows the set point move towards it", () => {
  const { simulation, tag } = simulate();
  const speed = tag("pump-1.speed");
  assert.ok(Math.abs(simulation.values[speed.index]! - 1_450) < 20);
  simulation.write(tag("pump-1.speed-set"), 2_800, start);
  simulation.step(start + 3_000);
  const underway = simulation.values[speed.index]!;
  assert.ok(underway > 2_200 && underway < 2_400, `${underway} after one time constant`);
  simulation.step(start + 60_000);
  assert.ok(Math.abs(simulation.values[speed.index]! - 2_800) < 20);
  simulation.write(tag("pump-1.running"), false, start + 60_000);
  simulation.step(start + 120_000);
  assert.equal(simulation.values[speed.index], 0);
});

test("write() refuses what is read-only, of another kind or out of range and changes nothing", () => {
  const { simulation, tag } = simulate();
  let told = 0;
  simulation.listen({ written: () => void told++ });
  const before = [...simulation.values];
  assert.throws(() => simulation.write(tag("pump-1.flow"), 1, start), refusal("READ_ONLY"));
  assert.throws(() => simulation.write(tag("pump-1.speed-set"), "fast", start), refusal("WRONG_TYPE"));
  assert.throws(() => simulation.write(tag("pump-1.speed-set"), Number.NaN, start), refusal("WRONG_TYPE"));
  assert.throws(() => simulation.write(tag("pump-1.running"), 1, start), refusal("WRONG_TYPE"));
  assert.throws(() => simulation.write(tag("lamp-1.brightness"), 50.5, start), refusal("WRONG_TYPE"));
  assert.throws(() => simulation.write(tag("pump-1.speed-set"), 3_001, start), { message: "Cannot write 3001 to pump-1.speed-set: its range is 0 to 3000" });
  assert.throws(() => simulation.writeAll([[tag("lamp-1.on"), true], [tag("lamp-1.brightness"), 101]], start), refusal("OUT_OF_RANGE"));
  assert.deepEqual([...simulation.values], before);
  assert.equal(told, 0);
});

test("command() switches a lamp and a fan and answers with their state", () => {
  const { simulation } = simulate();
  const told: string[] = [];
  simulation.listen({ written: (machine) => void told.push(machine.id) });
  assert.deepEqual(simulation.command("lamp-1", { on: true }, start), { on: true, brightness: 100 });
  assert.deepEqual(simulation.command("fan-1", { on: true, speed: 2 }, start), { on: true, speed: 2 });
  assert.deepEqual(simulation.command("boiler-1", { set: { "temperature-set": 120, burner: false } }, start), { burner: false, "temperature-set": 120 });
  assert.deepEqual(told, ["lamp-1", "fan-1", "boiler-1"]);
});

test("command() refuses what it does not understand", () => {
  const { simulation } = simulate();
  const before = [...simulation.values];
  assert.throws(() => simulation.command("lamp-2", { on: true }, start), refusal("NO_SUCH_MACHINE"));
  assert.throws(() => simulation.command("lamp-1", { colour: "red" }, start), refusal("NO_SUCH_TAG"));
  assert.throws(() => simulation.command("lamp-1", { on: true, power: 5 }, start), refusal("READ_ONLY"));
  for (const payload of [null, "on", [], {}, { set: 1 }, { set: {} }, { set: { on: true }, on: true }, new Uint8Array(2)]) {
    assert.throws(() => simulation.command("lamp-1", payload, start), refusal("BAD_COMMAND"), JSON.stringify(payload));
  }
  assert.throws(() => simulation.command("boiler-1", { burner: false }, start), refusal("BAD_COMMAND"));
  assert.throws(() => simulation.command("boiler-1", JSON.parse('{"set":{"__proto__":1}}'), start), refusal("NO_SUCH_TAG"));
  assert.deepEqual([...simulation.values], before);
});

test("step() raises and clears alarms with hysteresis", () => {
  const { simulation, tag } = simulate({
    machines: [{ id: "m", tags: [{ name: "x", signal: { kind: "setpoint", value: 50 }, alarm: { low: 20, high: 80, highHigh: 90, hysteresis: 5 } }, { name: "door", kind: "bool", signal: { kind: "setpoint", value: false }, alarm: { when: true } }] }],
  });
  const seen: string[] = [];
  simulation.listen({ alarm: (event: AlarmEvent) => void seen.push(`${event.tag.name} ${event.level} ${event.state} ${event.value} ${event.limit}`) });
  for (const value of [79.9, 80, 76, 75, 74.9, 95, 86, 84, 10, 25, 25.1, 50]) simulation.write(tag("m.x"), value, start);
  simulation.write(tag("m.door"), true, start);
  simulation.write(tag("m.door"), false, start);
  assert.deepEqual(seen, [
    "x high raised 80 80",
    "x high cleared 74.9 80",
    "x highHigh raised 95 90",
    "x highHigh cleared 84 90",
    "x high raised 84 80",
    "x high cleared 10 80",
    "x low raised 10 20",
    "x low cleared 25.1 20",
    "door state raised true true",
    "door state cleared false true",
  ]);
});

test("step() of the default plant raises an alarm within an hour", () => {
  const { simulation } = simulate();
  const raised = new Set<string>();
  simulation.listen({ alarm: (event) => void raised.add(`${event.tag.name} ${event.level}`) });
  for (let at = 0; at < 3_600_000; at += 1_000) simulation.step(start + at);
  assert.ok(raised.size >= 4, [...raised].join(", "));
});

test("step() carries 1,000 tags in far less than their 100 ms", () => {
  const plant = compilePlant(v.parse(plantSchema, {}), v.parse(fleetSchema, { machines: 10, tags: 100 }));
  const simulation = new Simulation(plant, { start });
  const steps = 200;
  const from = performance.now();
  for (let k = 1; k <= steps; k++) simulation.step(start + k * 100);
  const each = (performance.now() - from) / steps;
  assert.ok(each < 20, `${each} ms a step`);
});
