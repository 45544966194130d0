import assert from "node:assert/strict";
import { test } from "node:test";
import type { SeriesBucket } from "@busbar/core";
import { fillBuckets, fills } from "./fill-buckets.ts";

const buckets: readonly SeriesBucket[] = [null, 4, null, null, 10, null].map((mean, at) => ({ start: at * 10 + (at === 3 ? 5 : 0), count: mean === null ? 0 : 1, good: null, values: { mean, integral: at } }));

const wanted: Readonly<Record<(typeof fills)[number], readonly (number | null)[]>> = {
  null: [null, 4, null, null, 10, null],
  none: [4, 10],
  previous: [null, 4, 4, 4, 10, 10],
  linear: [null, 4, 6, 9, 10, null],
};

for (const fill of fills) {
  test(`fillBuckets() with ${fill} puts what it says in the place of nulls`, () => {
    const filled = fillBuckets(buckets, fill);
    assert.deepEqual(filled.map(({ values }) => values.mean), wanted[fill]);
    if (fill !== "none") assert.deepEqual(filled.map(({ start, count, values }) => [start, count, values.integral]), buckets.map(({ start, count, values }) => [start, count, values.integral]));
    assert.deepEqual(fillBuckets([], fill), []);
  });
}
