import assert from "node:assert/strict";
import { test } from "node:test";
import { matches } from "@busbar/core";
import fc from "fast-check";
import { overlaps } from "./overlaps.ts";

function everyPath(letters: readonly string[], depth: number): string[] {
  const all: string[] = [];
  let level = [...letters];
  for (let at = 0; at < depth; at++) {
    all.push(...level);
    level = level.flatMap((path) => letters.map((letter) => `${path}/${letter}`));
  }
  return all;
}

// The patterns name only a and b: c stands for every other name.
const topics = everyPath(["a", "b", "c"], 4);
const plain = everyPath(["a", "b", "+"], 3);
const patterns = ["#", ...plain, ...plain.map((pattern) => `${pattern}/#`)];

test("overlaps() is true exactly when one topic matches both, for every small pair of filters", () => {
  const sets = new Map(patterns.map((pattern) => [pattern, new Set(topics.filter((topic) => matches(pattern, topic)))]));
  for (const one of patterns) {
    for (const other of patterns) assert.equal(overlaps(one, other), !sets.get(one)!.isDisjointFrom(sets.get(other)!), `${one} and ${other}`);
  }
});

test("overlaps() is symmetric, and on a plain topic it is what matches() says", () => {
  const pattern = fc.constantFrom(...patterns);
  fc.assert(
    fc.property(pattern, pattern, fc.constantFrom(...topics), (one, other, topic) => {
      assert.equal(overlaps(one, other), overlaps(other, one));
      assert.equal(overlaps(one, topic), matches(one, topic));
    }),
    { numRuns: 2000 },
  );
});
