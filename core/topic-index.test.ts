import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { TopicIndex } from "./topic-index.ts";
import { matches } from "./topic.ts";

const letter = fc.constantFrom("a", "b", "c");
const topic = fc.array(letter, { minLength: 1, maxLength: 5 }).map((levels) => levels.join("/"));
const pattern = fc
  .tuple(fc.array(fc.constantFrom("a", "b", "+"), { maxLength: 4 }), fc.boolean())
  .filter(([levels, wild]) => wild || levels.length > 0)
  .map(([levels, wild]) => [...levels, ...(wild ? ["#"] : [])].join("/"));

const sorted = (values: readonly number[]): number[] => [...values].sort((one, other) => one - other);

test("TopicIndex.match() finds exactly the values whose pattern matches, whatever was added and removed before", () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("add" as const), pattern }),
    fc.record({ kind: fc.constant("remove" as const), which: fc.nat() }),
    fc.record({ kind: fc.constant("match" as const), topic }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 4 }), (steps, cacheLimit) => {
      const index = new TopicIndex<number>({ cacheLimit });
      const held = new Map<number, { pattern: string; remove: () => void }>();
      let serial = 0;
      for (const one of steps) {
        if (one.kind === "add") {
          const value = serial++;
          held.set(value, { pattern: one.pattern, remove: index.add(one.pattern, value) });
        } else if (one.kind === "remove") {
          const value = [...held.keys()][one.which % Math.max(1, held.size)];
          if (value === undefined) continue;
          held.get(value)!.remove();
          held.get(value)!.remove(); // twice does nothing
          held.delete(value);
        } else {
          const expected = [...held].filter(([, { pattern: filter }]) => matches(filter, one.topic)).map(([value]) => value);
          assert.deepEqual(sorted(index.match(one.topic)), sorted(expected), one.topic);
          assert.deepEqual(sorted(index.match(one.topic)), sorted(expected), `${one.topic}, cached`);
        }
        assert.equal(index.size, held.size);
      }
    }),
    { numRuns: 500 },
  );
});

test("TopicIndex.add() and removal in any order leave no node behind", () => {
  const churn = fc
    .array(pattern, { minLength: 1, maxLength: 30 })
    .chain((filters) => fc.tuple(fc.constant(filters), fc.shuffledSubarray([...filters.keys()], { minLength: filters.length })));
  fc.assert(
    fc.property(churn, ([filters, order]) => {
      const index = new TopicIndex<number>();
      const removals = filters.map((filter, value) => index.add(filter, value));
      // Two filters share a node for each level they begin with alike.
      const prefixes = new Set(filters.flatMap((filter) => filter.split("/").filter((level) => level !== "#").map((_, at, levels) => levels.slice(0, at + 1).join("/"))));
      assert.equal(index.nodes, prefixes.size + 1);
      for (const at of order) removals[at]!();
      assert.equal(index.nodes, 1);
      assert.equal(index.size, 0);
      assert.deepEqual(index.match("a/b"), []);
    }),
    { numRuns: 500 },
  );
});

test("TopicIndex.add() throws TypeError when the value is already under the pattern, and leaves the index as it was", () => {
  const index = new TopicIndex<string>();
  const remove = index.add("a/+", "one");
  assert.throws(() => index.add("a/+", "one"), TypeError);
  assert.equal(index.size, 1);
  remove();
  assert.deepEqual([index.size, index.nodes], [0, 1]);
});

test("TopicIndex.match() gives an array that later changes leave as it is", () => {
  const index = new TopicIndex<string>();
  index.add("a/#", "one");
  const before = index.match("a/b");
  const remove = index.add("+/b", "two");
  assert.deepEqual(before, ["one"]);
  assert.deepEqual([...index.match("a/b")].sort(), ["one", "two"]);
  remove();
  assert.deepEqual(index.match("a/b"), ["one"]);
});

test("TopicIndex.match() stays right when the cache overflows on every topic", () => {
  const index = new TopicIndex<string>({ cacheLimit: 1 });
  index.add("a/+", "one");
  for (let round = 0; round < 3; round++) {
    assert.deepEqual(index.match("a/b"), ["one"]);
    assert.deepEqual(index.match("b/b"), []);
  }
});
