import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeClock, until } from "./mod.ts";

test("until() resolves with the first value that is true, be it awaited or not", async () => {
  let looks = 0;
  assert.equal(await until("it was looked at three times", () => ++looks === 3 && "so"), "so");
  assert.equal(await until("it was looked at six times", async () => ++looks >= 6 && looks), 6);
});

test("until() takes a turn between two looks, such as moving a fake clock on", async () => {
  const clock = fakeClock();
  const start = clock.now();
  await until("a minute is over", () => clock.now() - start >= 60_000, { turn: () => clock.advance(10_000) });
  assert.equal(clock.now() - start, 60_000);
});

test("until() gives up with what it waited for, the last value and what it is shown", async () => {
  await assert.rejects(until("the spy has all", () => 0, { within: 20, show: () => ["a", { b: 1 }] }), { message: "Cannot wait longer for \"the spy has all\": not so within 0.02 s, the last value is 0, there is [ 'a', { b: 1 } ]" });
  await assert.rejects(until("it opens", async () => undefined, { within: 0 }), { message: "Cannot wait longer for \"it opens\": not so within 0 s, the last value is undefined" });
});

test("until() ends at once with what the condition throws", async () => {
  await assert.rejects(until("it opens", () => { throw new RangeError("broken"); }), new RangeError("broken"));
});
