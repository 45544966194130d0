import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import * as v from "valibot";
import { compilePlant } from "./compiled-plant.ts";
import { plantBanks } from "./modbus-plant-bank.ts";
import { answerModbus } from "./modbus-request.ts";
import { type PlantData, plantSchema } from "./plant.ts";
import { Simulation } from "./simulation.ts";

const setpoint = (value: number | boolean) => ({ kind: "setpoint" as const, value });
const plant: PlantData = {
  machines: [
    {
      id: "m",
      tags: [
        { name: "a", range: [0, 200], signal: setpoint(165) },
        { name: "b", kind: "int", range: [0, 100], signal: setpoint(7) },
        { name: "c", kind: "int", range: [-100_000, 100_000], signal: setpoint(-2) },
        { name: "on", kind: "bool", signal: setpoint(true) },
        { name: "off", kind: "bool", signal: setpoint(false) },
        { name: "also", kind: "bool", signal: setpoint(true) },
        { name: "level", range: [0, 10], signal: { kind: "constant", value: 2.5 } },
        { name: "mode", kind: "string", signal: { kind: "step", levels: ["x", "y"], every: 1_000 } },
        { name: "door", kind: "bool", signal: { kind: "constant", value: true } },
      ],
    },
  ],
};

function serve(): { readonly ask: (hex: string) => string; readonly simulation: Simulation } {
  const simulation = new Simulation(compilePlant(v.parse(plantSchema, plant)), { start: 0 });
  simulation.step(1_000);
  const bank = plantBanks(simulation).get(1)!;
  return { simulation, ask: (hex) => Buffer.from(answerModbus(new Uint8Array(Buffer.from(hex, "hex")), { bank, writes: { allowed: true, permits: () => true, check: () => {} }, now: 1_000 })).toString("hex") };
}

/** Holding registers: a 0-1, b 2, c 3-4. Coils: on 0, off 1, also 2. Input registers: level 0-1, mode 2. Discrete inputs: door 0. */
const cases: readonly [name: string, request: string, answer: string][] = [
  ["reads coils", "0100000003", "010105"],
  ["reads some coils", "0100010002", "010102"],
  ["reads discrete inputs", "0200000001", "020101"],
  ["reads holding registers", "0300000005", "030a432500000007fffffffe"],
  ["reads half a value", "0300010002", "030400000007"],
  ["reads input registers", "0400000003", "0406402000000001"],
  ["writes a coil", "050001ff00", "050001ff00"],
  ["writes one register", "0600020032", "0600020032"],
  ["writes coils", "0f000000030102", "0f00000003"],
  ["writes registers", "1000000003064248000000" + "0a", "1000000003"],
  ["sets a bit by mask", "160002fff70008", "160002fff70008"],
  ["clears bits by mask", "160002fff80000", "160002fff80000"],
  ["writes, then reads what it wrote", "17000100020002000102000a", "17044325000a".replace("4325", "0000")],
  ["identifies itself", "2b0e0100", "2b0e01830000030006427573626172" + "01096f706375612d73696d" + "0203312e30"],
  ["identifies itself with one object", "2b0e0406", "2b0e0483000001" + "06016d"],
  ["refuses an object that is not there", "2b0e0407", "ab02"],
  ["refuses another way to identify itself", "2b0e0500", "ab03"],
  ["refuses another kind of encapsulation", "2b0d0100", "ab01"],
  ["refuses a mask for half a value", "160000ffff0000", "9602"],
  ["refuses a mask cut short", "160002ffff", "9603"],
  ["refuses to write and read where nothing is to be read", "17000500010002000102000a", "9702"],
  ["refuses to write 122 registers and read", "170000000100020" + "07af4" + "00".repeat(244), "9703"],
  ["refuses an unknown function", "0700", "8701"],
  ["refuses function 0", "00", "8001"],
  ["refuses reading 0 coils", "0100000000", "8103"],
  ["refuses reading 2,001 coils", "01000007d1", "8103"],
  ["refuses reading coils that are not there", "0100000004", "8102"],
  ["refuses reading 126 registers", "030000007e", "8303"],
  ["refuses reading registers that are not there", "0300040002", "8302"],
  ["refuses an address past the end", "04ffffffff", "8403"],
  ["refuses the last address", "04ffff0001", "8402"],
  ["refuses a request cut short", "03000000", "8303"],
  ["refuses a request with more behind it", "030000000100", "8303"],
  ["refuses a function code alone", "10", "9003"],
  ["refuses a coil value that is none", "0500010001", "8503"],
  ["refuses a coil that is not there", "050003ff00", "8502"],
  ["refuses half a value in one write", "0600000032", "8602"],
  ["refuses one register out of range", "0600020065", "8603"],
  ["refuses the first half of a value", "10000000010200" + "00", "9002"],
  ["refuses the second half of a value", "1000010002040000000a", "9002"],
  ["refuses a value out of range", "10000000020443480100", "9003"],
  ["refuses a NaN", "1000000002047fc00000", "9003"],
  ["refuses an infinity", "1000000002047f800000", "9003"],
  ["refuses a byte count that lies", "1000000002054248000000", "9003"],
  ["refuses a byte count without its bytes", "100000000204424800", "9003"],
  ["refuses writing 0 registers", "100000000000", "9003"],
  ["refuses writing 124 registers", "100000007cf8" + "00".repeat(248), "9003"],
  ["refuses writing 0 coils", "0f0000000000", "8f03"],
  ["refuses writing 1,969 coils", "0f000007b1f7" + "00".repeat(247), "8f03"],
  ["refuses a byte count of coils that lies", "0f00000003020202", "8f03"],
];

test("answerModbus() answers each request as Modbus V1.1b3 says", () => {
  for (const [name, request, answer] of cases) assert.equal(serve().ask(request), answer, name);
});

test("answerModbus() writes what it says it wrote and nothing of what it refuses", () => {
  const { ask, simulation } = serve();
  const values = (): unknown[] => simulation.plant.tags.slice(0, 6).map((tag) => simulation.value(tag));
  for (const [, request, answer] of cases) if (Number.parseInt(answer.slice(0, 2), 16) & 0x80) ask(request);
  assert.deepEqual(values(), [165, 7, -2, true, false, true]);
  ask("1000000005" + "0a" + "3dcccccd" + "0064" + "fffe7960");
  ask("0f000000030102");
  assert.deepEqual(values(), [0.1, 100, -100_000, false, true, false]);
  ask("1000000003" + "06" + "42480000" + "0065");
  assert.equal(simulation.value(simulation.plant.tags[0]!), 0.1, "the good half of a refused write is not done");
});

test("answerModbus() takes any bytes and always answers in 2-253 bytes", () => {
  const { ask } = serve();
  const code = fc.constantFrom(1, 2, 3, 4, 5, 6, 15, 16, 22, 23, 43);
  const pdu = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 253 }),
    fc.tuple(code, fc.integer({ min: 0, max: 6 }), fc.integer({ min: 0, max: 6 }), fc.uint8Array({ maxLength: 20 })).map(([code, address, quantity, rest]) => Uint8Array.of(code, 0, address, 0, quantity, ...rest)),
  );
  fc.assert(
    fc.property(pdu, (bytes) => {
      const answer = Buffer.from(ask(Buffer.from(bytes).toString("hex")), "hex");
      assert.ok(answer.length >= 2 && answer.length <= 253);
      assert.equal(answer[0]! & 0x7f, bytes[0]! & 0x7f);
    }),
    { numRuns: 5_000 },
  );
});
