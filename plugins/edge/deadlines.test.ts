import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeClock } from "@busbar/core/testkit";
import fc from "fast-check";
import { Deadlines } from "./deadlines.ts";

test("Deadlines calls back at the time that was set last, in order, and leaves no timer", async () => {
  const action = fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant("set" as const), key: fc.integer({ min: 0, max: 5 }), ms: fc.integer({ min: 0, max: 30 }) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("delete" as const), key: fc.integer({ min: 0, max: 5 }), ms: fc.constant(0) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("advance" as const), key: fc.constant(0), ms: fc.integer({ min: 0, max: 20 }) }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 40 }), async (way) => {
      const clock = fakeClock(0);
      const called: [number, number][] = [];
      const expected: [number, number][] = [];
      const plain = new Map<number, number>();
      const deadlines = new Deadlines<number>(clock, (key) => called.push([clock.now(), key]));
      const advance = async (ms: number): Promise<void> => {
        const until = clock.now() + ms;
        for (const [key, at] of [...plain].filter(([, at]) => at <= until)) {
          expected.push([at, key]);
          plain.delete(key);
        }
        await clock.advance(ms);
      };
      for (const { kind, key, ms } of way) {
        if (kind === "advance") await advance(ms);
        else if (kind === "set") {
          plain.set(key, clock.now() + ms);
          deadlines.set(key, clock.now() + ms);
        } else {
          plain.delete(key);
          deadlines.delete(key);
        }
        assert.equal(deadlines.size, plain.size);
      }
      await advance(100);
      assert.deepEqual(called, called.toSorted(([one], [other]) => one - other));
      assert.deepEqual(called.toSorted(byBoth), expected.toSorted(byBoth));
      assert.equal(clock.timers, 0);
    }),
    { numRuns: 60 },
  );
});

const byBoth = (one: [number, number], other: [number, number]): number => one[0] - other[0] || one[1] - other[1];

test("Deadlines may be set from a callback, and close() ends them", async () => {
  const clock = fakeClock(0);
  const called: string[] = [];
  const deadlines = new Deadlines<string>(clock, (key) => {
    called.push(key);
    if (key === "again" && called.length < 4) deadlines.set("again", clock.now() + 10);
  });
  deadlines.set("again", 10);
  deadlines.set("far", 100);
  await clock.advance(50);
  assert.deepEqual(called, ["again", "again", "again", "again"]);
  deadlines.close();
  await clock.advance(100);
  assert.equal(called.length, 4);
  assert.equal(clock.timers, 0);
});
