import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { compilePlant } from "./compiled-plant.ts";
import { defaultPlant } from "./default-plant.ts";
import { createModbusMap, formatModbusMap, readRegisters, type Slot, writeRegisters } from "./modbus-map.ts";
import { type PlantData, plantSchema } from "./plant.ts";

const map = (data: PlantData) => createModbusMap(compilePlant(v.parse(plantSchema, data)));
const wave = { kind: "sine" } as const;

test("createModbusMap() gives each machine a unit id and fills each table from 0 in order", () => {
  const units = map(defaultPlant);
  assert.deepEqual([...units.keys()], [1, 2, 3, 4, 5, 6]);
  const where = units.get(2)!.slots.map((slot) => [slot.tag.name, slot.table, slot.address, slot.count, slot.format]);
  assert.deepEqual(where, [
    ["running", "coil", 0, 1, undefined],
    ["speed-set", "holding-register", 0, 2, "float32"],
    ["speed", "input-register", 0, 2, "float32"],
    ["flow", "input-register", 2, 2, "float32"],
    ["current", "input-register", 4, 2, "float32"],
    ["vibration", "input-register", 6, 2, "float32"],
    ["run-time", "input-register", 8, 2, "int32"],
  ]);
  for (const unit of units.values()) {
    for (const slot of unit.slots) for (let k = 0; k < slot.count; k++) assert.equal(unit.tables[slot.table][slot.address + k], slot);
  }
});

test("createModbusMap() gives an int one register where its range allows", () => {
  const int = (name: string, range: [number, number]) => ({ name, kind: "int" as const, range, signal: wave });
  const unit = map({ machines: [{ id: "m", tags: [int("a", [0, 65_535]), int("b", [-1, 32_767]), int("c", [-1, 32_768]), int("d", [0, 65_536])] }] }).get(1)!;
  assert.deepEqual(unit.slots.map((slot) => slot.format), ["uint16", "int16", "int32", "int32"]);
});

const cases: readonly [Slot["format"], number, string][] = [
  ["float32", 165, "43250000"],
  ["float32", -0.1, "bdcccccd"],
  ["float32", 16_777_216, "4b800000"],
  ["int32", -2, "fffffffe"],
  ["int32", 2_000_000_000, "77359400"],
  ["int16", -32_768, "8000"],
  ["uint16", 65_535, "ffff"],
];

test("writeRegisters() and readRegisters() put each format in big endian and back", () => {
  const tag = compilePlant(v.parse(plantSchema, { machines: [{ id: "m", tags: [{ name: "x", signal: wave }] }] })).tags[0]!;
  for (const [format, number, hex] of cases) {
    const slot: Slot = { tag, table: "holding-register", address: 0, count: hex.length / 4, format };
    const bytes = new Uint8Array(hex.length / 2);
    const view = new DataView(bytes.buffer);
    writeRegisters(slot, number, view, 0);
    assert.equal(Buffer.from(bytes).toString("hex"), hex);
    assert.equal(readRegisters(slot, view, 0), number);
  }
});

test("formatModbusMap() has a line for each tag", () => {
  const plant = compilePlant(v.parse(plantSchema, defaultPlant));
  const lines = formatModbusMap(plant).trimEnd().split("\n");
  assert.equal(lines.length, plant.tags.length);
  assert.equal(lines[1], "1\tholding-register\t0\t2\tfloat32\tboiler-1.temperature-set\t°C");
});
