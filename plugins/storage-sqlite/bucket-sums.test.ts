import assert from "node:assert/strict";
import { test } from "node:test";
import type { SeriesAggregate } from "@busbar/core";
import { BucketSums, type BucketPlan } from "./bucket-sums.ts";

const sums = (aggregates: readonly SeriesAggregate[], plan: Partial<BucketPlan> = {}): BucketSums => new BucketSums({ edges: [0, 1000, 2000, 3000], aggregates, level: 1, levelOf: (status) => status, held: undefined, now: Infinity, ...plan });

test("BucketSums lets a value hold until the next one, into buckets without any, and no longer than until now", () => {
  const of = (plan: Partial<BucketPlan>): unknown => {
    const buckets = sums(["timeMean", "integral"], plan);
    buckets.point(500, 10, 0);
    buckets.point(750, 99, 2); // bad: what was before goes on
    buckets.point(2500, 20, 1);
    return buckets.finish().map(({ count, good, values: { timeMean, integral } }) => [count, good, timeMean, integral]);
  };
  assert.deepEqual(of({}), [[1, 0.5, 10, 5], [0, null, 10, 10], [1, 0, 15, 15]]);
  assert.deepEqual(of({ held: 2 }), [[1, 0.5, 6, 6], [0, null, 10, 10], [1, 0, 15, 15]]);
  assert.deepEqual(of({ now: 1500 }), [[1, 0.5, 10, 5], [0, null, 10, 5], [1, 0, 10, 5]], "a reading from the future moves the end to its own time");
});

test("BucketSums refuses a percentile of more values than it may hold", () => {
  const buckets = sums(["p99"]);
  for (let at = 0; at < 2_000_000; at++) buckets.point(1, at, 0);
  assert.throws(() => buckets.point(1, 0, 0), { code: "TOO_LARGE" });
});
