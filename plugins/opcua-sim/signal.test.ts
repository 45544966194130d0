import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { approach, createSignal, seedOf, type TimeSignalSpec } from "./signal.ts";

const span = fc.tuple(fc.double({ min: -1e6, max: 1e6, noNaN: true }), fc.double({ min: 0.01, max: 1e6, noNaN: true })).map(([low, width]) => ({ low, high: low + width }));
const share = fc.double({ min: 0, max: 1, noNaN: true });
const period = fc.integer({ min: 1, max: 86_400_000 });
const seed = fc.integer({ min: 0, max: 4_294_967_295 });
const elapsed = fc.integer({ min: 0, max: 10 * 365 * 86_400_000 });
const spec: fc.Arbitrary<TimeSignalSpec> = fc.oneof(
  fc.record({ kind: fc.constant("sine" as const), period, phase: share, noise: share }),
  fc.record({ kind: fc.constant("random-walk" as const), period }),
  fc.record({ kind: fc.constant("spike" as const), every: period, width: period, noise: share }),
  fc.record({ kind: fc.constant("counter" as const), rate: fc.double({ min: 0.000_001, max: 1e6, noNaN: true }) }),
  fc.record({ kind: fc.constant("step" as const), levels: fc.array(fc.double({ min: -2e6, max: 2e6, noNaN: true }), { minLength: 1, maxLength: 8 }), every: period, shuffled: fc.boolean() }),
);

test("createSignal() stays within its range at any time", () => {
  fc.assert(
    fc.property(spec, seed, span, elapsed, (signal, seed, { low, high }, at) => {
      const value = createSignal(signal, { seed, low, high })(at);
      assert.ok(value >= low && value <= high, `${value} is outside [${low}, ${high}]`);
    }),
    { numRuns: 2_000 },
  );
});

test("createSignal() gives the same values for the same seed in any order of calls", () => {
  fc.assert(
    fc.property(spec, seed, span, fc.array(elapsed, { minLength: 1, maxLength: 20 }), (signal, seed, { low, high }, times) => {
      const forward = createSignal(signal, { seed, low, high });
      const backward = createSignal(signal, { seed, low, high });
      const values = new Map([...times].reverse().map((at) => [at, backward(at)]));
      for (const at of times) assert.equal(forward(at), values.get(at));
    }),
  );
});

test("createSignal() gives other values for another seed", () => {
  const walk = { kind: "random-walk", period: 10_000 } as const;
  const one = createSignal(walk, { seed: 1, low: 0, high: 100 });
  const two = createSignal(walk, { seed: 2, low: 0, high: 100 });
  const same = Array.from({ length: 100 }, (_, k) => one(k * 500) === two(k * 500)).filter(Boolean).length;
  assert.ok(same < 5, `${same} of 100 values are the same`);
});

test("createSignal() random-walk moves in small steps and uses its range", () => {
  const walk = createSignal({ kind: "random-walk", period: 60_000 }, { seed: 7, low: 0, high: 100 });
  let lowest = 100;
  let highest = 0;
  for (let at = 0; at < 3_600_000; at += 100) {
    const value = walk(at);
    assert.ok(Math.abs(value - walk(at + 100)) < 2, `jumps from ${value} to ${walk(at + 100)} at ${at} ms`);
    lowest = Math.min(lowest, value);
    highest = Math.max(highest, value);
  }
  assert.ok(lowest < 20 && highest > 80, `an hour stays within ${lowest} to ${highest}`);
});

test("createSignal() spike rises to its high once in each stretch", () => {
  const spike = createSignal({ kind: "spike", every: 10_000, width: 1_000, noise: 0, low: 2, high: 9 }, { seed: 3, low: 0, high: 10 });
  for (let stretch = 0; stretch < 50; stretch++) {
    let peak = 0;
    let high = 0;
    for (let at = 0; at < 10_000; at++) {
      const value = spike(stretch * 10_000 + at);
      peak = Math.max(peak, value);
      if (value > 2) high++;
    }
    assert.ok(peak > 8.9 && peak <= 9, `stretch ${stretch} peaks at ${peak}`);
    assert.ok(high > 990 && high <= 1_001, `stretch ${stretch} is up for ${high} ms`);
  }
});

test("createSignal() counter counts by its rate and begins again at the end of its range", () => {
  const counter = createSignal({ kind: "counter", rate: 2 }, { seed: 1, low: 0, high: 4 });
  assert.deepEqual([0, 499, 500, 1_000, 2_000, 2_500].map(counter), [0, 0, 1, 2, 4, 0]);
});

test("createSignal() sine is where its phase says", () => {
  const sine = createSignal({ kind: "sine", period: 4_000, phase: 0.25, noise: 0 }, { seed: 1, low: -10, high: 10 });
  assert.deepEqual([0, 1_000, 2_000, 3_000].map((at) => Math.round(sine(at) * 1e6) / 1e6 + 0), [10, 0, -10, 0]);
});

test("createSignal() refuses a low above its high", () => {
  assert.throws(() => createSignal({ kind: "random-walk", period: 1, low: 9 }, { seed: 1, low: 0, high: 5 }), RangeError);
});

test("approach() gives the same when its time is split", () => {
  const whole = approach(20, 100, { dt: 900, lag: 2_000 });
  const half = approach(20, 100, { dt: 400, lag: 2_000 });
  assert.ok(Math.abs(approach(half, 100, { dt: 500, lag: 2_000 }) - whole) < 1e-9);
  assert.ok(whole > 20 && whole < 100);
});

test("seedOf() differs by name and by seed of the plant", () => {
  const seeds = new Set(["a/x", "a/y", "b/x"].flatMap((name) => [seedOf(1, name), seedOf(2, name)]));
  assert.equal(seeds.size, 6);
});
