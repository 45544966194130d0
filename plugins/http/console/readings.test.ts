import assert from "node:assert/strict";
import { test } from "node:test";
import { formatValue, numberOf, readingsOf } from "./readings.js";

test("readingsOf() understands both shapes of WIRE §1 and nothing else", () => {
  assert.deepEqual(readingsOf({ values: [{ tag: "t", value: 42.5, unit: "°C", quality: "uncertain" }, { tag: "on", value: true }, { tag: "x", value: null }, { tag: "y", value: null, quality: "good" }, { tag: "own", value: 1, timestamp: 1_760_000_000_123 }, 7], quality: "bad" }), [
    { tag: "t", value: 42.5, unit: "°C", quality: "uncertain" },
    { tag: "on", value: true, unit: "", quality: "bad" },
    { tag: "x", value: null, unit: "", quality: "bad" },
    { tag: "own", value: 1, unit: "", quality: "bad", time: 1_760_000_000_123 },
  ]);
  assert.deepEqual(readingsOf({ temperature: 23.5, on: false, mode: "auto", nested: {} }).map(({ tag, value }) => [tag, value]), [["temperature", 23.5], ["on", false], ["mode", "auto"]]);
  for (const payload of [null, 5, "x", [1], { values: [] }]) assert.deepEqual(readingsOf(payload), []);
});

test("readingsOf() says of a sealed payload that it is sealed, and nothing of bytes", () => {
  const mark = [0x00, 0x73, 0x65, 0x61, 0x6c, 0x65, 0x64, 0x01];
  for (const sealed of [{ $sealed: { ciphertext: "x" } }, Uint8Array.of(...mark, 9)]) assert.deepEqual(readingsOf(sealed), [{ tag: "payload", value: "sealed", unit: "", quality: "good" }]);
  for (const bytes of [Uint8Array.of(...mark), Uint8Array.of(1, 2, 3)]) assert.deepEqual(readingsOf(bytes), []);
});

test("formatValue() shows the digits that matter", () => {
  const table: [number | string | boolean | null, string][] = [[null, "–"], [0, "0"], [7, "7"], [1.23456, "1.23"], [123.456, "123.5"], [12345.6, "12,346"], [0.01234, "0.012"], [0.0001234, "1.234e-4"], [true, "on"], [false, "off"], ["auto", "auto"]];
  for (const [value, text] of table) assert.equal(formatValue(value), text);
});

test("numberOf() gives booleans as 0 and 1, and no number for text", () => {
  assert.deepEqual([numberOf(2.5), numberOf(true), numberOf(false), numberOf("5"), numberOf(null)], [2.5, 1, 0, undefined, undefined]);
});
