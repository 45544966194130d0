import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { type ModbusBank, ModbusRefusal } from "./modbus-bank.ts";
import { modbusFleetSchema } from "./modbus-fleet.ts";
import { fleetBanks } from "./modbus-raw-bank.ts";
import { encodeRegisters, type RegisterType, type WordOrder } from "./register-codec.ts";

const fleet = (config: v.InferInput<typeof modbusFleetSchema>): ReadonlyMap<number, ModbusBank> => fleetBanks(v.parse(modbusFleetSchema, config), 0);
const hex = (words: Uint16Array): string => [...words].map((word) => word.toString(16).padStart(4, "0")).join("");

const cases: readonly [RegisterType, number | string, WordOrder, string][] = [
  ["uint16", 258, "abcd", "0102"],
  ["uint16", 258, "badc", "0201"],
  ["int16", -2, "abcd", "fffe"],
  ["uint32", 0x01020304, "abcd", "01020304"],
  ["uint32", 0x01020304, "cdab", "03040102"],
  ["uint32", 0x01020304, "badc", "02010403"],
  ["uint32", 0x01020304, "dcba", "04030201"],
  ["int32", -2, "cdab", "fffeffff"],
  ["float32", 42.5, "abcd", "422a0000"],
  ["float32", 42.5, "dcba", "00002a42"],
  ["uint64", 0x01_0203_0405_06, "abcd", "0000010203040506"],
  ["uint64", 0x01_0203_0405_06, "cdab", "0506030401020000"],
  ["int64", -1, "abcd", "ffffffffffffffff"],
  ["float64", 1, "dcba", "000000000000f03f"],
  ["bcd16", 1_234, "abcd", "1234"],
  ["bcd32", 12_345_678, "cdab", "56781234"],
  ["string", "Hallo", "abcd", "48616c6c6f00"],
  ["uint16", 70_000, "abcd", "ffff"],
];

test("encodeRegisters() puts each type in each order", () => {
  for (const [type, value, order, wanted] of cases) assert.equal(hex(encodeRegisters(value, { type, length: 3, order })), wanted, `${type} ${order}`);
});

test("fleetBanks() gives each unit the blocks, limits and exceptions of the config", () => {
  const units = fleet({ units: 247, wordOrder: "cdab", except: [{ units: [3, 4], dead: true }, { units: [4], dead: false, latency: "50ms", maxRegisters: 10 }] });
  assert.deepEqual([...units.keys()].slice(-2), [246, 247]);
  const of = (id: number) => [units.get(id)!.dead, units.get(id)!.latency, units.get(id)!.maxRegisters];
  assert.deepEqual([of(2), of(3), of(4)], [[false, 0, 125], [true, 0, 125], [false, 50, 10]]);
  assert.equal(units.get(9)!.word("holding-register", 42, 0), 42);
  assert.equal(units.get(9)!.word("holding-register", 100, 0), undefined);
});

test("a raw unit moves its registers by their pattern, and a value is read whole at one time", () => {
  const unit = fleet({
    blocks: [
      { address: 0, count: 2, type: "uint32", pattern: { kind: "counter", rate: 65_536 } },
      { address: 4, type: "float32", pattern: { kind: "sine", period: "4s", low: -10, high: 10 } },
      { address: 6, type: "int16", pattern: { kind: "random", low: -5, high: 5 } },
      { address: 7, type: "string", length: 2, pattern: { kind: "static" } },
    ],
  }).get(1)!;
  const words = (address: number, count: number, now: number) => Array.from({ length: count }, (_, k) => unit.word("holding-register", address + k, now));
  assert.deepEqual(words(0, 4, 2_000), [2, 0, 2, 1]);
  assert.deepEqual(words(4, 2, 1_000), [0x4120, 0]);
  assert.deepEqual(words(6, 1, 0), words(6, 1, 999));
  assert.ok(new Set(Array.from({ length: 50 }, (_, k) => words(6, 1, 1_000 * k)[0])).size > 5);
  assert.deepEqual(words(7, 3, 0), [0x756e, 0x6974, undefined]);
});

test("a raw unit keeps what is written until it is restarted, and refuses what is not there as a whole", () => {
  const unit = fleet({ blocks: [{ count: 3, pattern: { kind: "static" } }, { table: "coil", count: 2, pattern: { kind: "static", value: 0 } }] }).get(1)!;
  unit.writeWords(1, Uint16Array.of(500, 600), 0);
  assert.throws(() => unit.writeWords(2, Uint16Array.of(1, 1), 0), (error) => error instanceof ModbusRefusal && error.exception === 2);
  unit.writeBits(0, [true], 0);
  assert.deepEqual([unit.word("holding-register", 1, 0), unit.word("holding-register", 2, 0), unit.bit("coil", 0, 0), unit.bit("coil", 1, 0)], [500, 600, true, false]);
  unit.restart();
  assert.deepEqual([unit.word("holding-register", 1, 0), unit.bit("coil", 0, 0)], [1, false]);
});

test("modbusFleetSchema refuses a block that ends past the last address", () => {
  const problem = (block: object): string[] => (v.safeParse(modbusFleetSchema, { blocks: [block] }).issues ?? []).map((issue) => v.getDotPath(issue) ?? "");
  assert.deepEqual(problem({ address: 65_535 }), []);
  assert.deepEqual(problem({ address: 65_535, type: "uint32" }), ["blocks.0"]);
});
