import assert from "node:assert/strict";
import { test } from "node:test";
import { BoundedMap } from "./bounded-map.ts";

test("BoundedMap.set() drops the entry that was set longest ago when it is full", () => {
  const map = new BoundedMap<number>(2);
  map.set("a", 1);
  map.set("b", 2);
  map.set("a", 3);
  map.set("c", 4);
  assert.deepEqual([map.get("a"), map.get("b"), map.get("c"), map.size], [3, undefined, 4, 2]);
});

test("BoundedMap.delete() makes room", () => {
  const map = new BoundedMap<number>(1);
  map.set("a", 1);
  map.delete("a");
  assert.deepEqual([map.get("a"), map.size], [undefined, 0]);
});

test("BoundedMap with a limit of 0 remembers nothing", () => {
  const map = new BoundedMap<number>(0);
  map.set("a", 1);
  assert.equal(map.size, 0);
});
