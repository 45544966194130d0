import assert from "node:assert/strict";
import { test } from "node:test";
import { formatRegister, parseRegister } from "./address.ts";

for (const [written, table, address] of [
  [40001, "holding", 0],
  ["40001", "holding", 0],
  [400001, "holding", 0],
  [49999, "holding", 9998],
  [465536, "holding", 65_535],
  [30011, "input", 10],
  [10001, "discrete", 0],
  ["00001", "coil", 0],
  ["065536", "coil", 65_535],
] as const) {
  test(`parseRegister() reads ${JSON.stringify(written)} as ${table} ${address}`, () => {
    assert.deepEqual(parseRegister(written), { table, address });
    assert.deepEqual(parseRegister(formatRegister({ table, address })), { table, address });
  });
}

for (const wrong of [0, 1, 100, 4001, 40000, 20001, 50001, 465537, "1", "", "4000l", "40001.5", -40001, 40001.5]) {
  test(`parseRegister() refuses ${JSON.stringify(wrong)}`, () => assert.throws(() => parseRegister(wrong), SyntaxError));
}
