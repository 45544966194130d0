import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type DoorOptions, type DoorPoint, SwingingDoor } from "./swinging-door.ts";

const unbounded = { min: 0, max: Number.POSITIVE_INFINITY };

/** What is sent of a series, the held point at its end included. `restart`: the points before which the door goes through JSON into a new one. */
function sentOf(points: readonly DoorPoint[], options: DoorOptions, restart: ReadonlySet<number> = new Set()): readonly DoorPoint[] {
  const sent: DoorPoint[] = [];
  let door = new SwingingDoor<DoorPoint>(options);
  for (const [at, point] of points.entries()) {
    if (restart.has(at)) {
      const next = new SwingingDoor<DoorPoint>(options);
      assert.equal(next.restore(JSON.parse(JSON.stringify(door.snapshot()))), true);
      door = next;
    }
    door.add(point, (one) => sent.push(one));
  }
  door.flush((one) => sent.push(one));
  return sent;
}

/** How far a point lies from the straight line between its neighbours among those sent; at the time of a jump the nearer side counts. */
function error(point: DoorPoint, sent: readonly DoorPoint[]): number {
  const same = sent.filter(({ time }) => time === point.time);
  if (same.length > 0) return Math.min(...same.map(({ value }) => Math.abs(value - point.value)));
  const before = sent.findLast(({ time }) => time < point.time);
  const after = sent.find(({ time }) => time > point.time);
  if (!before || !after) return Number.POSITIVE_INFINITY;
  return Math.abs(before.value + ((after.value - before.value) * (point.time - before.time)) / (after.time - before.time) - point.value);
}

const values = fc.oneof(
  fc.integer({ min: -20, max: 20 }),
  fc.double({ min: -1e3, max: 1e3, noNaN: true }),
  fc.constantFrom(0, -0, 1e-300, 1e9, -1e9, 1.0000001, 0.9999999),
);
const steps = fc.oneof({ weight: 6, arbitrary: fc.integer({ min: 1, max: 50 }) }, { weight: 1, arbitrary: fc.constantFrom(0, 1, 100_000) });
/** Wild series, and smooth ones on whose slopes a door opens slowly. */
const series = fc.oneof(
  fc.array(fc.tuple(steps, values), { minLength: 1, maxLength: 120, size: "max" }).map((pairs) => toPoints(pairs)),
  fc.record({ count: fc.integer({ min: 2, max: 200 }), slope: fc.double({ min: -3, max: 3, noNaN: true }), bend: fc.double({ min: -0.02, max: 0.02, noNaN: true }), wave: fc.double({ min: 0, max: 3, noNaN: true }) }).map(({ count, slope, bend, wave }) =>
    toPoints(Array.from({ length: count }, (_, at) => [1 + (at % 3), slope * at + bend * at * at + wave * Math.sin(at / 5)] as const)),
  ),
);
const deviations = fc.oneof(fc.constantFrom(0, 0.5, 1, 10), fc.double({ min: 0, max: 50, noNaN: true }));

function toPoints(pairs: readonly (readonly [step: number, value: number])[]): readonly DoorPoint[] {
  let time = 1_700_000_000_000;
  return pairs.map(([step, value]) => ({ time: (time += step), value }));
}

/** The bound plus what doubles of this size lose. */
const withRounding = (deviation: number, points: readonly DoorPoint[]): number => deviation * (1 + 1e-9) + 1e-9 * Math.max(1, ...points.map(({ value }) => Math.abs(value)));

test("SwingingDoor leaves out only what lies within the deviation of what it sends, restarted anywhere", () => {
  fc.assert(
    fc.property(series, deviations, fc.array(fc.nat(199)), (points, deviation, restarts) => {
      const sent = sentOf(points, { deviation, ...unbounded }, new Set(restarts));
      for (const point of points) assert.ok(error(point, sent) <= withRounding(deviation, points), `${JSON.stringify(point)} is ${error(point, sent)} off`);
      assert.ok(sent.every((one) => points.some(({ time, value }) => time === one.time && value === one.value)), "only points of the series, with their own times");
      assert.ok(sent.every((one, at) => at === 0 || one.time >= sent[at - 1]!.time), "in order");
    }),
    { numRuns: 1500, endOnFailure: true },
  );
});

test("SwingingDoor sends as a plain reference does that looks at all points again", () => {
  /** The point after the one at `from` that is sent next: the last one before the first to which a line would miss a point between by more than the deviation. */
  const reference = (points: readonly DoorPoint[], deviation: number): readonly DoorPoint[] => {
    const sent = [points[0]!];
    let from = 0;
    for (let to = 2; to < points.length; to++) {
      const between = points.slice(from + 1, to);
      if (between.every((point) => error(point, [points[from]!, points[to]!]) <= deviation)) continue;
      sent.push(points[(from = to - 1)]!);
    }
    if (from < points.length - 1) sent.push(points.at(-1)!);
    return sent;
  };
  // halves and powers of two, so that both reckon without rounding and agree on the edge of the bound
  const exact = fc.array(fc.integer({ min: -40, max: 40 }), { minLength: 1, maxLength: 80, size: "max" }).map((list) => list.map((value, at) => ({ time: at * 16, value: value / 2 })));
  fc.assert(fc.property(exact, fc.constantFrom(0.25, 1.125, 3.0625), (points, deviation) => assert.deepEqual(sentOf(points, { deviation, ...unbounded }), reference(points, deviation))), { numRuns: 500, endOnFailure: true });
});

test("SwingingDoor sends a point at least every max, and with max keeps the bound", () => {
  fc.assert(
    fc.property(series, deviations, fc.integer({ min: 1, max: 200 }), (points, deviation, max) => {
      const sent = sentOf(points, { deviation, min: 0, max });
      for (const point of points) assert.ok(error(point, sent) <= withRounding(deviation, points));
      for (const [at, one] of sent.entries()) {
        const next = sent[at + 1];
        if (next && next.time - one.time > max) assert.ok(!points.some(({ time }) => time > one.time && time < next.time), "only where no point came for that long");
      }
    }),
    { numRuns: 500, endOnFailure: true },
  );
});

test("SwingingDoor holds points nearer than min back, and the others to the bound", () => {
  fc.assert(
    fc.property(series, deviations, fc.integer({ min: 1, max: 100 }), (points, deviation, min) => {
      const sent = sentOf(points, { deviation, min, max: Number.POSITIVE_INFINITY });
      for (const point of points) {
        const before = sent.findLast(({ time }) => time < point.time);
        if (before && point.time - before.time >= min) assert.ok(error(point, sent) <= withRounding(deviation, points));
      }
      const jumps = new Set(points.filter((point, at) => point.time === points[at - 1]?.time).map(({ time }) => time));
      for (const [at, one] of sent.entries()) {
        const next = sent[at + 1];
        if (next && at < sent.length - 2 && next.time - one.time < min) assert.ok(jumps.has(next.time), "nearer only at a jump or at the end");
      }
    }),
    { numRuns: 500, endOnFailure: true },
  );
});

test("SwingingDoor sends the ends of straight stretches only", () => {
  const line = Array.from({ length: 1000 }, (_, at) => ({ time: at * 1000, value: at < 500 ? at : 1000 - at }));
  assert.deepEqual(sentOf(line, { deviation: 0.5, ...unbounded }).map(({ time }) => time / 1000), [0, 500, 999]);
  assert.equal(sentOf(line.map(({ time }) => ({ time, value: 7 })), { deviation: 0, ...unbounded }).length, 2);
});

test("SwingingDoor sends both sides of a jump within one instant, and a repeat of a point never", () => {
  const points = [[0, 1], [10, 1], [10, 5], [10, 5], [20, 5], [20, 5], [30, 5]].map(([time, value]) => ({ time: time!, value: value! }));
  assert.deepEqual(sentOf(points, { deviation: 1, ...unbounded }).map(({ time, value }) => [time, value]), [[0, 1], [10, 1], [10, 5], [30, 5]]);
});

test("SwingingDoor keeps its bound where the difference of two values is beyond any number", () => {
  const points = [1e308, -1e308, 1e308, 0, -1e308, -1e308, -1e308].map((value, time) => ({ time, value }));
  const sent = sentOf(points, { deviation: 1, ...unbounded });
  assert.deepEqual(sent, points.filter((_, at) => at !== 5));
});

test("SwingingDoor.interrupt() sends what is held and draws no line over the gap", () => {
  const sent: DoorPoint[] = [];
  const door = new SwingingDoor<DoorPoint>({ deviation: 1, ...unbounded });
  const add = (time: number): void => door.add({ time, value: 0 }, (one) => sent.push(one));
  for (const time of [0, 1, 2]) add(time);
  door.interrupt((one) => sent.push(one));
  for (const time of [5, 6]) add(time);
  assert.deepEqual(sent.map(({ time }) => time), [0, 2, 5]);
  assert.deepEqual(door.held?.time, 6);
});

test("SwingingDoor.restore() refuses what is no snapshot", () => {
  const door = new SwingingDoor<DoorPoint>({ deviation: 1, ...unbounded });
  for (const data of [undefined, null, [], {}, { low: 0 }, { low: null, high: null, sent: { time: "0", value: 1 } }]) assert.equal(door.restore(data), false);
  assert.equal(door.newest, undefined);
});
