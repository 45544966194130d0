import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { lttb } from "./lttb.ts";

/** The algorithm as the thesis says it (Steinarsson 2013, §4.2), without regard to speed: buckets as lists, areas from the determinant. */
function reference(points: readonly (readonly [number, number])[], threshold: number): number[] {
  if (points.length <= threshold) return points.map((_, at) => at);
  if (threshold === 1) return [points.length - 1];
  const buckets: number[][] = [[0]];
  const size = (points.length - 2) / (threshold - 2);
  for (let at = 0; at < threshold - 2; at++) {
    const bucket = [];
    for (let place = Math.floor(at * size) + 1; place < Math.floor((at + 1) * size) + 1; place++) bucket.push(place);
    buckets.push(bucket);
  }
  buckets.push([points.length - 1]);
  const kept = [0];
  for (let at = 1; at < buckets.length - 1; at++) {
    const following = buckets[at + 1]!.map((place) => [points[place]![0] - points[0]![0], points[place]![1]] as const);
    const mean = [points[0]![0] + following.reduce((sum, [x]) => sum + x, 0) / following.length, following.reduce((sum, [, y]) => sum + y, 0) / following.length] as const;
    const before = points[kept.at(-1)!]!;
    const area = (place: number): number => Math.abs((before[0] - mean[0]) * (points[place]![1] - before[1]) - (before[0] - points[place]![0]) * (mean[1] - before[1]));
    kept.push(buckets[at]!.reduce((best, place) => (area(place) > area(best) ? place : best)));
  }
  kept.push(points.length - 1);
  return kept;
}

const line = fc.array(fc.tuple(fc.integer({ min: 1, max: 100_000 }), fc.double({ min: -1e6, max: 1e6, noNaN: true })), { minLength: 0, maxLength: 400 }).map((steps) => {
  let time = 1_750_000_000_000;
  return steps.map(([step, value]): [number, number] => [(time += step), value]);
});

test("lttb() keeps what the reference keeps", () => {
  fc.assert(
    fc.property(line, fc.integer({ min: 1, max: 120 }), (points, threshold) => {
      assert.deepEqual(lttb(points.map(([time]) => time), points.map(([, value]) => value), threshold), reference(points, threshold));
    }),
    { numRuns: 1000 },
  );
});

test("lttb() keeps the first and the last point, order and limit", () => {
  fc.assert(
    fc.property(line, fc.integer({ min: 2, max: 120 }), (points, threshold) => {
      const kept = lttb(points.map(([time]) => time), points.map(([, value]) => value), threshold);
      assert.equal(kept.length, Math.min(points.length, threshold));
      if (points.length === 0) return;
      assert.equal(kept[0], 0);
      assert.equal(kept.at(-1), points.length - 1);
      for (let at = 1; at < kept.length; at++) assert.ok(kept[at]! > kept[at - 1]!);
    }),
    { numRuns: 500 },
  );
});

test("lttb() keeps a lone spike", () => {
  const times = Array.from({ length: 86_400 }, (_, at) => 1_750_000_000_000 + at * 1000);
  const values = times.map((_, at) => (at === 43_210 ? 500 : Math.sin(at / 1000)));
  assert.ok(lttb(times, values, 1000).includes(43_210));
});

test("lttb() refuses a number of points that is none", () => {
  for (const points of [0, -1, 2.5, Number.NaN]) assert.throws(() => lttb([1], [1], points), RangeError);
});
