import assert from "node:assert/strict";
import { test } from "node:test";
import { percentile } from "./percentile.ts";

test("percentile() is what NumPy gives by default", () => {
  const table: readonly [values: readonly number[], share: number, result: number][] = [
    [[5], 0.5, 5], [[1, 2], 0.5, 1.5], [[1, 2, 3, 4], 0, 1], [[1, 2, 3, 4], 1, 4], [[1, 2, 3, 4], 0.25, 1.75], [[10, 20, 30, 40, 50], 0.9, 46], [[-3, -1, 7], 0.5, -1],
  ];
  for (const [values, share, result] of table) assert.ok(Math.abs(percentile(values, share) - result) < 1e-12, `${values} at ${share}`);
});
