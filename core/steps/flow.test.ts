import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeClock } from "../testkit/fake-clock.ts";
import { openStep, takes } from "./run-step.ts";

test("changed passes what differs from the last message of its topic", () => {
  const step = openStep("changed", {});
  const passes = (topic: string, payload: unknown): boolean => step({ topic, payload }).length === 1;
  assert.deepEqual([passes("a", { v: 1 }), passes("a", { v: 1 }), passes("b", { v: 1 }), passes("a", { v: 2 }), passes("a", { v: 1 })], [true, false, true, true, true]);
  assert.deepEqual([passes("c", new Uint8Array([1])), passes("c", new Uint8Array([1])), passes("c", new Uint8Array([2]))], [true, false, true]);
});

test("changed compares the fields named only", () => {
  const step = openStep("changed", { fields: ["a", "b.c"] });
  const passed = [{ a: 1, x: 1 }, { a: 1, x: 2 }, { a: 1, b: { c: 2 } }, { a: 1, b: { c: 2, d: 3 } }].map((payload) => step({ payload }).length);
  assert.deepEqual(passed, [1, 0, 1, 0]);
});

test("changed forgets the topic that was quiet longest", () => {
  const step = openStep("changed", { topics: 2 });
  const passed = ["a", "b", "a", "c", "a", "b"].map((topic) => step({ topic, payload: 1 }).length);
  assert.deepEqual(passed, [1, 1, 0, 1, 0, 1]);
});

test("throttle passes the first message of each stretch", async () => {
  const clock = fakeClock();
  const step = openStep("throttle", { every: "1s" }, clock);
  const passes = (topic: string): number => step({ topic }).length;
  const passed = [passes("a"), passes("a"), passes("b")];
  await clock.advance(999);
  passed.push(passes("a"));
  await clock.advance(1);
  passed.push(passes("a"), passes("a"));
  assert.deepEqual(passed, [1, 0, 1, 0, 1, 0]);
  assert.equal(clock.timers, 0);
  assert.equal(takes("throttle", {}), false);
  assert.equal(takes("throttle", { every: 0 }), false);
});
