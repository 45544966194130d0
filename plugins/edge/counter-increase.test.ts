import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { counterIncrease, parseCounter } from "./counter-increase.ts";
import { CounterTrack } from "./counter-track.ts";

test("counterIncrease() tells what a counter did", () => {
  const wide = 2 ** 64;
  const cases: readonly (readonly [before: number | bigint, now: number | bigint, modulus: number | undefined, maxRate: number | undefined, by: number, how: string])[] = [
    [5, 9, undefined, undefined, 4, "up"],
    [9, 9, 65536, undefined, 0, "up"],
    [65_530, 4, 65536, undefined, 10, "rollover"],
    [200, 10, 256, undefined, 66, "rollover"],
    [100, 10, 256, undefined, 10, "reset"],
    [65_530, 4, undefined, undefined, 4, "reset"],
    [999_998, 1, 1_000_000, undefined, 3, "rollover"],
    [4_294_967_290, 5, 2 ** 32, undefined, 11, "rollover"],
    [100_000, 4, 65536, undefined, 4, "reset"],
    [0.5, 1.75, undefined, undefined, 1.25, "up"],
    [5, 5000, undefined, 1, 0, "jump"],
    [5, 1005, undefined, 1, 1000, "up"],
    [60_000, 100, 65536, 1, 100, "reset"],
    [60_000, 20_000, 65536, 1, 0, "reset"],
    [18_446_744_073_709_551_610n, 4, wide, undefined, 10, "rollover"],
    [9_223_372_036_854_775_807n, 9_223_372_036_854_775_817n, wide, undefined, 10, "up"],
    [9_007_199_254_740_990, 9_007_199_254_740_995n, wide, undefined, 5, "up"],
  ];
  for (const [before, now, modulus, maxRate, by, how] of cases) assert.deepEqual(counterIncrease(before, now, { counter: { modulus, maxRate }, elapsed: 1000 }), { by, how }, `${before} ${now}`);
});

test("parseCounter() takes numbers and decimal text", () => {
  assert.deepEqual([7, 0, 1.5, "12", "9007199254740993", 5n].map(parseCounter), [7, 0, 1.5, 12, 9007199254740993n, 5n]);
  for (const value of [-1, Number.NaN, Number.POSITIVE_INFINITY, "", "1.5", "-1", "1e3", "9".repeat(21), true, null, undefined, {}]) assert.equal(parseCounter(value), undefined, String(value));
});

test("CounterTrack adds up to what was really counted, over any roll-overs, restarted anywhere", () => {
  fc.assert(
    fc.property(fc.array(fc.record({ by: fc.integer({ min: 0, max: 32_000 }), elapsed: fc.integer({ min: 1, max: 1000 }) }), { maxLength: 60, size: "max" }), fc.nat(65_535), fc.constantFrom(65_536, 100_000), fc.nat(60), (steps, start, modulus, restart) => {
      const options = { modulus, gap: 1000 };
      let track = new CounterTrack(options);
      let [time, counter, counted, real] = [1_700_000_000_000, start, 0, 0];
      track.add(time, counter);
      for (const [at, { by, elapsed }] of steps.entries()) {
        if (at === restart) {
          const next = new CounterTrack(options);
          assert.equal(next.restore(JSON.parse(JSON.stringify(track.snapshot()))), true);
          track = next;
        }
        counter = (counter + by) % modulus;
        real += by;
        const step = track.add((time += elapsed), counter);
        counted += step!.by;
        assert.equal(step!.elapsed, elapsed);
      }
      assert.equal(counted, real);
    }),
    { numRuns: 200, endOnFailure: true },
  );
});

test("CounterTrack begins anew after a gap, and takes no value that is not newer", () => {
  const track = new CounterTrack({ modulus: undefined, gap: 100 });
  assert.equal(track.time, undefined);
  assert.deepEqual([track.add(0, 1), track.add(50, 3)?.by, track.add(50, 9), track.add(40, 9), track.add(151, 10), track.add(160, 14)?.by], [undefined, 2, undefined, undefined, undefined, 4]);
  assert.equal(track.time, 160);
});

test("CounterTrack.restore() takes counters beyond 2^53 and refuses what is no snapshot", () => {
  const [one, other] = [new CounterTrack({ modulus: 2 ** 64, gap: 100 }), new CounterTrack({ modulus: 2 ** 64, gap: 100 })];
  one.add(0, 18_446_744_073_709_551_000n);
  assert.equal(other.restore(JSON.parse(JSON.stringify(one.snapshot()))), true);
  assert.equal(other.add(10, 18_446_744_073_709_551_007n)?.by, 7);
  for (const data of [undefined, {}, [1], [1, "x"], ["1", 1], [1, -5]]) assert.equal(other.restore(data), false, JSON.stringify(data));
});
