import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { addToGrid, advanceGrid, type GridEvents, type GridState } from "./regular-grid.ts";

type Told = (readonly [value: number | null, end: number] | "broken")[];
const events: GridEvents<Told> = { closed: (told, value, end) => void told.push([value, end]), broken: (told) => void told.push("broken") };

test("addToGrid() gives the mean of each bucket, and null for one that had nothing", () => {
  const told: Told = [];
  const state: GridState = { start: null, open: [] };
  for (const [time, value] of [[1000, 1], [1500, 3], [2999, 10], [5000, 7]] as const) addToGrid(state, { bucket: 1000, lateness: 0, gap: 10 }, { time, value, events, target: told });
  assert.deepEqual(told, [[2, 2000], [10, 3000], [null, 4000], [null, 5000]]);
});

test("addToGrid() begins anew after too long a gap", () => {
  const told: Told = [];
  const state: GridState = { start: null, open: [] };
  for (const [time, value] of [[0, 1], [12_000, 2], [13_000, 3]] as const) addToGrid(state, { bucket: 1000, lateness: 0, gap: 10 }, { time, value, events, target: told });
  assert.deepEqual(told, [[1, 1000], "broken", [2, 13_000]]);
});

test("addToGrid() gives what a reference gives that has all samples, in whatever order they come within the lateness, across restarts", () => {
  const sample = fc.record({ time: fc.integer({ min: 0, max: 300 }), value: fc.integer({ min: -100, max: 100 }), delay: fc.integer({ min: 0, max: 40 }), restart: fc.boolean() });
  fc.assert(
    fc.property(fc.array(sample, { minLength: 1, maxLength: 60 }), (given) => {
      const options = { bucket: 10, lateness: 40, gap: 1000 };
      const arrived = given.toSorted((one, other) => one.time + one.delay - (other.time + other.delay));
      const told: Told = [];
      let state: GridState = { start: null, open: [] };
      const first = Math.floor(arrived[0]!.time / 10) * 10;
      const kept = arrived.filter(({ time, value, restart }) => {
        if (restart) state = JSON.parse(JSON.stringify(state)) as GridState;
        return addToGrid(state, options, { time, value, events, target: told });
      });
      assert.deepEqual(kept, arrived.filter(({ time }) => time >= first), "only what is before the beginning is too late");
      const last = Math.max(...kept.map(({ time }) => time));
      advanceGrid(state, options, { time: last + 1000, events, target: told });
      const expected: Told = [];
      for (let start = first; start <= last; start += 10) {
        const values = kept.filter(({ time }) => time >= start && time < start + 10).map(({ value }) => value);
        expected.push([values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length, start + 10]);
      }
      assert.deepEqual(told, expected);
    }),
    { numRuns: 200 },
  );
});
