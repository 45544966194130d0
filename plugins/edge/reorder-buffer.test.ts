import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ReorderBuffer } from "./reorder-buffer.ts";

interface Item {
  readonly time: number;
  readonly id: number;
}

function collect({ lateness, limit }: { readonly lateness: number; readonly limit: number }) {
  const released: Item[] = [];
  const buffer = new ReorderBuffer<Item>({ lateness, limit });
  return { buffer, released, add: (time: number, id = time): boolean => buffer.add({ time, id }, (item) => released.push(item)) };
}

test("ReorderBuffer lets a sample go when one comes that is newer by the lateness, in order", () => {
  const { add, released, buffer } = collect({ lateness: 10, limit: 100 });
  for (const time of [100, 105, 103, 110]) assert.equal(add(time), true);
  assert.deepEqual(released.map(({ time }) => time), [100]);
  assert.equal(add(99), false, "100 has gone");
  add(120);
  assert.deepEqual(released.map(({ time }) => time), [100, 103, 105, 110]);
  buffer.release(Number.POSITIVE_INFINITY, (item) => released.push(item));
  assert.deepEqual([released.at(-1)!.time, buffer.waiting.length, buffer.newest], [120, 0, 120]);
});

test("ReorderBuffer without lateness lets each go at once and refuses what is older", () => {
  const { add, released } = collect({ lateness: 0, limit: 1 });
  assert.deepEqual([add(5, 1), add(5, 2), add(4, 3), add(6, 4)], [true, true, false, true]);
  assert.deepEqual(released.map(({ id }) => id), [1, 2, 4]);
});

test("ReorderBuffer lets the oldest go early where more would wait than may", () => {
  const { add, released, buffer } = collect({ lateness: 1e9, limit: 3 });
  for (const time of [5, 4, 9, 7, 8, 6]) add(time);
  assert.deepEqual([released.map(({ time }) => time), buffer.waiting.map(({ time }) => time)], [[4, 5, 6], [7, 8, 9]]);
});

test("ReorderBuffer gives every sample that it takes once and in order, restarted anywhere", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 200 }), { maxLength: 100, size: "max" }), fc.integer({ min: 0, max: 100 }), fc.integer({ min: 1, max: 20 }), fc.nat(100), (times, lateness, limit, restart) => {
      const released: Item[] = [];
      const push = (item: Item): void => void released.push(item);
      let buffer = new ReorderBuffer<Item>({ lateness, limit });
      const taken: Item[] = [];
      for (const [id, time] of times.entries()) {
        if (id === restart) {
          const next = new ReorderBuffer<Item>({ lateness, limit });
          next.restore(JSON.parse(JSON.stringify(buffer.snapshot())));
          buffer = next;
        }
        const item = { time, id };
        const passed = released.at(-1);
        const took = buffer.add(item, push);
        assert.equal(took, passed === undefined || time >= passed.time, "late means older than one that has gone");
        if (took) taken.push(item);
        assert.ok(buffer.waiting.length <= limit);
      }
      buffer.release(Number.POSITIVE_INFINITY, push);
      assert.deepEqual(released, taken.toSorted((one, other) => one.time - other.time));
    }),
    { numRuns: 300, endOnFailure: true },
  );
});
