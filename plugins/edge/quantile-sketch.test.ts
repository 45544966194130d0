import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { QuantileSketch } from "./quantile-sketch.ts";

const ranks = [0, 0.01, 0.25, 0.5, 0.9, 0.999, 1];

/** The plain definition: sort, and interpolate between neighbours. */
function reference(values: readonly number[], rank: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  const place = rank * (sorted.length - 1);
  const low = sorted[Math.floor(place)]!;
  return low + (sorted[Math.ceil(place)]! - low) * (place - Math.floor(place));
}

function sketchOf(values: readonly number[], limit: number): QuantileSketch {
  const sketch = new QuantileSketch(limit);
  for (const value of values) sketch.add(value);
  return sketch;
}

/** How far the rank of `found` is from `rank`, as a share of all values. */
function rankError(values: readonly number[], rank: number, found: number): number {
  const below = values.filter((value) => value < found).length;
  const upTo = values.filter((value) => value <= found).length;
  const place = rank * (values.length - 1);
  return Math.max(0, below - 1 - place, place - upTo) / values.length;
}

const numbers = fc.oneof(fc.integer({ min: -5, max: 5 }), fc.double({ noNaN: true, min: -1e6, max: 1e6 }));

test("QuantileSketch is exact up to its limit, merged and restarted anywhere", () => {
  fc.assert(
    fc.property(fc.array(numbers, { minLength: 1, maxLength: 200, size: "max" }), fc.nat(200), (values, at) => {
      const sketch = new QuantileSketch(200);
      assert.equal(sketch.restore(JSON.parse(JSON.stringify(sketchOf(values.slice(0, at), 200).snapshot()))), true);
      sketch.merge(sketchOf(values.slice(at), 200));
      const found = sketch.quantiles(ranks);
      assert.equal(sketch.errorBound, 0);
      for (const [index, rank] of ranks.entries()) assert.ok(Math.abs(found[index]! - reference(values, rank)) <= 1e-9, `${rank}: ${found[index]}, not ${reference(values, rank)}`);
    }),
    { numRuns: 300, endOnFailure: true },
  );
});

test("QuantileSketch stays within its error bound beyond the limit, however it is merged", () => {
  const shape = fc.record({ count: fc.integer({ min: 1, max: 5000 }), limit: fc.integer({ min: 4, max: 64 }), parts: fc.integer({ min: 1, max: 5 }), order: fc.constantFrom("rising", "falling", "mixed", "waves"), seed: fc.integer({ min: 1, max: 1e6 }) });
  const make = { rising: (at: number) => at, falling: (at: number) => -at, waves: (at: number) => Math.round(Math.sin(at / 50) * 100) };
  fc.assert(
    fc.property(shape, ({ count, limit, parts, order, seed }) => {
      let state = seed;
      const random = (): number => (state = (state * 48271) % 2147483647);
      const values = Array.from({ length: count }, (_, at) => (order === "mixed" ? random() % 1000 : make[order](at)));
      const sketch = new QuantileSketch(limit);
      for (let part = 0; part < parts; part++) sketch.merge(sketchOf(values.slice(Math.floor((part * count) / parts), Math.floor(((part + 1) * count) / parts)), limit));
      const found = sketch.quantiles(ranks);
      for (const [index, rank] of ranks.entries()) {
        const off = rankError(values, rank, found[index]!);
        assert.ok(off <= sketch.errorBound + 1 / count, `${rank} of ${count} with ${limit}: off by ${off}, bound ${sketch.errorBound}`);
      }
    }),
    { numRuns: 200, endOnFailure: true },
  );
});

test("QuantileSketch of 100,000 numbers is within 0.7 % with 1,000 per level, and small", () => {
  const values = Array.from({ length: 100_000 }, (_, at) => (at * 7919) % 100_003);
  const sketch = sketchOf(values, 1000);
  assert.ok(sketch.errorBound <= 0.007, String(sketch.errorBound));
  for (const rank of [0.05, 0.5, 0.95]) assert.ok(rankError(values, rank, sketch.quantiles([rank])[0]!) <= sketch.errorBound);
  assert.ok(JSON.stringify(sketch.snapshot()).length < 60_000);
});

test("QuantileSketch has no percentile of nothing, and refuses what is no snapshot", () => {
  const sketch = new QuantileSketch(10);
  assert.deepEqual(sketch.quantiles([0.5]), []);
  for (const data of [null, {}, { levels: [], odd: [] }, { levels: [["1"]], odd: [false] }, { levels: [[1]], odd: [] }, { levels: [[null]], odd: [true] }]) assert.equal(sketch.restore(data), false);
});
