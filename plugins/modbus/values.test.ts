import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { byteOrders, type ByteOrder } from "./byte-order.ts";
import { numberFormats, numberTypes } from "./number-format.ts";
import { createPoint } from "./point.ts";
import { pointSchema } from "./point-schema.ts";
import { createReader, type Sample } from "./read-value.ts";
import { encodeValue } from "./write-value.ts";
import * as v from "valibot";

const point = (more: object) => createPoint(v.parse(pointSchema, { tag: "t", table: "holding", address: 0, ...more }), { order: "abcd", readBack: true });
const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(" ", ""), "hex"));
const read = (config: object, hex: string): Sample => createReader(point(config))(bytes(hex), 0);
const written = (config: object, value: unknown): string => encodeValue(point(config), value).cells.map((word) => word.toString(16).padStart(4, "0")).join(" ");

/** What a device shows, and what it means: read, and written back. The bytes were worked out by hand. */
const table: readonly (readonly [object, string, unknown])[] = [
  [{ type: "uint16" }, "ff85", 65_413],
  [{ type: "int16" }, "ff85", -123],
  [{ type: "uint16", order: "badc" }, "3412", 0x1234],
  [{ type: "uint16", order: "dcba" }, "3412", 0x1234],
  [{ type: "uint16", order: "cdab" }, "1234", 0x1234],
  [{ type: "uint32", order: "abcd" }, "0102 0304", 0x01020304],
  [{ type: "uint32", order: "cdab" }, "0304 0102", 0x01020304],
  [{ type: "uint32", order: "badc" }, "0201 0403", 0x01020304],
  [{ type: "uint32", order: "dcba" }, "0403 0201", 0x01020304],
  [{ type: "int32" }, "ffff fffe", -2],
  [{ type: "float32" }, "41aa 6666", 21.3],
  [{ type: "float32", order: "cdab" }, "6666 41aa", 21.3],
  [{ type: "float32" }, "c2f7 0000", -123.5],
  [{ type: "float64" }, "3ff8 0000 0000 0000", 1.5],
  [{ type: "float64", order: "cdab" }, "0000 0000 0000 3ff8", 1.5],
  [{ type: "float64", order: "dcba" }, "0000 0000 0000 f83f", 1.5],
  [{ type: "float16" }, "3e00", 1.5],
  [{ type: "uint64" }, "0000 0000 0000 002a", 42],
  [{ type: "uint64" }, "ffff ffff ffff ffff", "18446744073709551615"],
  [{ type: "int64" }, "ffff ffff ffff ffff", -1],
  [{ type: "int64" }, "8000 0000 0000 0000", "-9223372036854775808"],
  [{ type: "bcd16" }, "1234", 1234],
  [{ type: "bcd32", order: "cdab" }, "5678 1234", 12_345_678],
  [{ type: "bcd64" }, "9999 9999 9999 9999", "9999999999999999"],
  [{ type: "uint16", scale: 0.1 }, "01a7", 42.3],
  [{ type: "int16", scale: 0.01, offset: -40 }, "0fa7", 0.07],
  [{ type: "uint16", scale: 2, offset: 1 }, "0003", 7],
  [{ type: "string", length: 5 }, "4865 6c6c 6f00", "Hello"],
  [{ type: "string", length: 4, order: "badc" }, "6548 6c6c", "Hell"],
  [{ type: "uint16", count: 3 }, "0001 0002 0003", [1, 2, 3]],
  [{ type: "float32", order: "cdab", count: 2 }, "0000 3fc0 0000 4000", [1.5, 2]],
];

for (const [config, hex, value] of table) {
  test(`createReader() and encodeValue() agree on ${hex} as ${JSON.stringify(config)}`, () => {
    assert.deepEqual(read(config, hex), { value, quality: "good" });
    assert.equal(written(config, value), hex);
  });
}

test("encodeValue() and createReader() are each other's way back for any number of any type in any order", () => {
  const cases = fc.constantFrom(...numberTypes.filter((type) => !type.startsWith("float"))).chain((type) => {
    const { low, high } = numberFormats[type];
    return fc.record({ type: fc.constant(type), order: fc.constantFrom<ByteOrder>(...byteOrders), byte: fc.constantFrom("high", "low"), value: fc.bigInt(BigInt(low), BigInt(high)) });
  });
  fc.assert(
    fc.property(cases, ({ type, order, byte, value }) => {
      const one = point({ type, order, ...(type.endsWith("int8") ? { byte } : {}) });
      const said = Number.isSafeInteger(Number(value)) ? Number(value) : value.toString();
      const { cells } = encodeValue(one, said);
      assert.deepEqual(createReader(one)(Uint8Array.from(cells.flatMap((word) => [word >> 8, word & 0xff])), 0), { value: said, quality: "good" });
    }),
    { numRuns: 500 },
  );
});

test("encodeValue() names only the half or the bit of a register that is meant", () => {
  assert.deepEqual(encodeValue(point({ type: "uint8", byte: "high" }), 0x12), { cells: [0x1200], mask: 0xff00 });
  assert.deepEqual(encodeValue(point({ type: "int8" }), -1), { cells: [0xff], mask: 0xff });
  assert.deepEqual(encodeValue(point({ type: "uint8", byte: "high", order: "badc" }), 0x12), { cells: [0x12], mask: 0xff });
  assert.deepEqual(encodeValue(point({ bit: 15 }), true), { cells: [0x8000], mask: 0x8000 });
  assert.deepEqual(encodeValue(point({ bit: 0, order: "dcba" }), true), { cells: [0x100], mask: 0x100 });
});

for (const [config, hex, expected] of [
  [{ bit: 0 }, "0001", { value: true, quality: "good" }],
  [{ bit: 8 }, "0001", { value: false, quality: "good" }],
  [{ bit: 8, order: "badc" }, "0001", { value: true, quality: "good" }],
  [{ type: "uint8", byte: "high" }, "1234", { value: 0x12, quality: "good" }],
  [{ type: "int8" }, "12ff", { value: -1, quality: "good" }],
  [{ type: "float32" }, "7fc0 0000", { value: null, quality: "bad", code: "not a number" }],
  [{ type: "float32" }, "7f80 0000", { value: null, quality: "bad", code: "not a number" }],
  [{ type: "bcd16" }, "12a4", { value: null, quality: "bad", code: "not BCD" }],
  [{ type: "int16", invalid: [0x8000] }, "8000", { value: null, quality: "bad", code: "no value" }],
  [{ type: "int16", invalid: [-32768] }, "8000", { value: null, quality: "bad", code: "no value" }],
  [{ type: "uint64", invalid: ["0xFFFFFFFFFFFFFFFF"] }, "ffff ffff ffff ffff", { value: null, quality: "bad", code: "no value" }],
  [{ type: "float32", invalid: [-9999] }, "c61c 3c00", { value: null, quality: "bad", code: "no value" }],
  [{ type: "int16", limits: { low: -40, high: 120 }, scale: 0.1 }, "04b1", { value: 120.1, quality: "uncertain", code: "out of range" }],
  [{ type: "uint16", decimals: 1, scale: 0.017 }, "0064", { value: 1.7, quality: "good" }],
  [{ type: "string", length: 4 }, "4120 2020", { value: "A", quality: "good" }],
  [{ type: "string", length: 2 }, "b043", { value: "°C", quality: "good" }],
  [{ type: "bcd16", count: 2 }, "0012 000a", { value: [12, null], quality: "bad", code: "not BCD" }],
] as const) {
  test(`createReader() reads ${hex} as ${JSON.stringify(config)} as ${JSON.stringify(expected)}`, () => assert.deepEqual(read(config, hex), expected));
}

for (const [config, value, code] of [
  [{ type: "uint16" }, -1, "OUT_OF_RANGE"],
  [{ type: "uint16" }, 65_536, "OUT_OF_RANGE"],
  [{ type: "uint16" }, 1.5, "WRONG_TYPE"],
  [{ type: "uint16" }, "one", "WRONG_TYPE"],
  [{ type: "uint16" }, Number.NaN, "WRONG_TYPE"],
  [{ type: "uint16" }, true, "WRONG_TYPE"],
  [{ type: "uint16" }, null, "WRONG_TYPE"],
  [{ type: "uint64" }, 2 ** 60, "OUT_OF_RANGE"],
  [{ type: "int64" }, "9223372036854775808", "OUT_OF_RANGE"],
  [{ type: "float32" }, 1e39, "OUT_OF_RANGE"],
  [{ type: "int16", limits: { high: 100 } }, 101, "OUT_OF_RANGE"],
  [{ type: "int16", scale: 0.1 }, 4000, "OUT_OF_RANGE"],
  [{ type: "bcd16" }, 10_000, "OUT_OF_RANGE"],
  [{ bit: 3 }, 1, "WRONG_TYPE"],
  [{ type: "string", length: 3 }, "abcd", "OUT_OF_RANGE"],
  [{ type: "string", length: 3 }, "a\0", "OUT_OF_RANGE"],
  [{ type: "string", length: 3 }, 5, "WRONG_TYPE"],
  [{ type: "uint16", count: 2 }, [1], "WRONG_TYPE"],
] as const) {
  test(`encodeValue() refuses ${String(value)} for ${JSON.stringify(config)} as ${code}`, () => assert.throws(() => encodeValue(point(config), value), { code }));
}
