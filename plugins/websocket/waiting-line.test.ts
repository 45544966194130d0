import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeClock } from "@busbar/core/testkit";
import { WaitingLine, type WaitingLineLimits } from "./waiting-line.ts";

/** A line whose guests write down what happens to them. */
function open(limits: Partial<WaitingLineLimits>) {
  const clock = fakeClock();
  const line = new WaitingLine({ places: 1, length: 10, time: 1000, ...limits }, clock);
  const events: string[] = [];
  const ask = (name: string): (() => void) => line.ask({ enter: () => void events.push(`${name} enters`), refuse: (reason) => void events.push(`${name} is refused: ${reason}`) });
  return { clock, line, events, ask };
}

test("ask() lets in at once while there are places", () => {
  const { line, events, ask } = open({ places: 2 });
  ask("a");
  ask("b");
  assert.deepEqual(events, ["a enters", "b enters"]);
  assert.deepEqual([line.taken, line.waiting], [2, 0]);
});

test("ask() lets those who wait in in the order in which they came", () => {
  const { line, events, ask } = open({});
  const leaves = ["a", "b", "c", "d"].map(ask);
  assert.deepEqual([line.taken, line.waiting], [1, 3]);
  for (const leave of leaves) leave();
  assert.deepEqual(events, ["a enters", "b enters", "c enters", "d enters"]);
  assert.deepEqual([line.taken, line.waiting], [0, 0]);
});

test("ask() refuses at once when the line is full, and the line goes on", () => {
  const { events, ask } = open({ length: 1 });
  const leave = ask("a");
  ask("b");
  ask("c")();
  leave();
  assert.deepEqual(events, ["a enters", "c is refused: line-full", "b enters"]);
});

test("ask() with a line of length 0 refuses all who find no place", () => {
  const { events, ask } = open({ length: 0 });
  ask("a");
  ask("b");
  assert.deepEqual(events, ["a enters", "b is refused: line-full"]);
});

test("ask() refuses who has waited for `time`, and nobody earlier", async () => {
  const { clock, line, events, ask } = open({});
  ask("a");
  ask("b");
  await clock.advance(500);
  ask("c");
  await clock.advance(499);
  assert.deepEqual(events, ["a enters"]);
  await clock.advance(1);
  assert.deepEqual(events, ["a enters", "b is refused: time"]);
  await clock.advance(500);
  assert.deepEqual(events, ["a enters", "b is refused: time", "c is refused: time"]);
  assert.deepEqual([line.taken, line.waiting, clock.timers], [1, 0, 0]);
});

test("leaving the line frees its place in it, and is never followed by a call", async () => {
  const { clock, line, events, ask } = open({ length: 1 });
  const leave = ask("a");
  ask("b")();
  assert.equal(line.waiting, 0);
  ask("c");
  leave();
  await clock.advance(5000);
  assert.deepEqual(events, ["a enters", "c enters"]);
  assert.equal(clock.timers, 0);
});

test("leaving twice, or after having been refused, frees nothing", async () => {
  const { clock, line, ask } = open({ places: 2 });
  const a = ask("a");
  ask("b");
  const c = ask("c");
  await clock.advance(1000);
  c();
  assert.equal(line.taken, 2);
  a();
  a();
  assert.equal(line.taken, 1);
});

test("a guest may leave while it is let in", () => {
  const { events, ask, line } = open({});
  const leave = ask("a");
  const leaveB = line.ask({
    enter: () => {
      events.push("b enters");
      leaveB();
    },
    refuse: () => assert.fail("refused"),
  });
  ask("c");
  leave();
  assert.deepEqual(events, ["a enters", "b enters", "c enters"]);
  assert.deepEqual([line.taken, line.waiting], [1, 0]);
});

test("close() turns away who waits and leaves the others their places", () => {
  const { clock, line, events, ask } = open({});
  const leave = ask("a");
  ask("b");
  ask("c");
  line.close();
  assert.deepEqual(events, ["a enters", "b is refused: closing", "c is refused: closing"]);
  assert.deepEqual([line.taken, line.waiting, clock.timers], [1, 0, 0]);
  leave();
  assert.equal(line.taken, 0);
});
