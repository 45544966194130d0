import assert from "node:assert/strict";
import { test } from "node:test";
import { addPoint, dropBefore, mergePoints, Recent } from "./points.js";

const at = (...times: number[]): { time: number; value: number }[] => times.map((time) => ({ time, value: time * 10 }));

test("mergePoints() joins history and live without a gap and without doubles", () => {
  assert.deepEqual(mergePoints(at(1, 2, 3), at(2, 3, 4)), [[1, 2, 3, 4], [10, 20, 30, 40]]);
  assert.deepEqual(mergePoints([], at(5, 4)), [[4, 5], [40, 50]]);
});

test("addPoint() appends, replaces the point of the same time, and puts a late one in its place", () => {
  const series = mergePoints(at(1, 3), []);
  addPoint(series, { time: 4, value: 40 });
  addPoint(series, { time: 4, value: 41 });
  addPoint(series, { time: 2, value: 20 });
  assert.deepEqual(series, [[1, 2, 3, 4], [10, 20, 30, 41]]);
});

test("dropBefore() keeps one point before the window", () => {
  const series = mergePoints(at(1, 2, 3, 4), []);
  dropBefore(series, 3);
  assert.deepEqual(series[0], [2, 3, 4]);
  dropBefore(series, 100);
  assert.deepEqual(series[0], [4]);
});

test("Recent keeps at least the last points of its limit, and not many more", () => {
  const recent = new Recent(4);
  for (const point of at(...Array.from({ length: 100 }, (_, index) => index))) recent.add(point);
  const times = recent.list().map(({ time }) => time);
  assert.deepEqual(times.slice(-4), [96, 97, 98, 99]);
  assert.ok(times.length < 8);
});
