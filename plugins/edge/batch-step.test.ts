import assert from "node:assert/strict";
import { test } from "node:test";
import { openStep, type StepUnderTest } from "@busbar/core/testkit";
import { batchStep } from "./batch-step.ts";

const tagsOf = (step: StepUnderTest): unknown[] => step.emitted.map(({ payload }) => (payload as { values: { tag: string }[] }).values.map(({ tag }) => tag).join(""));

test("batch gathers readings of a topic in order of their times, each with its own", () => {
  const step = openStep(batchStep, { count: 3 });
  step.readings(1000, { a: 1 });
  step.readings(3000, [{ tag: "b", value: 2, unit: "K" }]);
  step.send({ topic: "status/other", payload: { x: 1 } });
  assert.equal(step.emitted.length, 0);
  step.readings(2000, [{ tag: "c", value: null, quality: "bad", code: "BadTimeout" }]);
  assert.deepEqual(step.emitted.map(({ topic, from, timestamp, payload }) => [topic, from, timestamp, payload]), [["status/plc-1", "plc-1", 3000, { values: [
    { tag: "a", value: 1, quality: "good", timestamp: 1000 },
    { tag: "c", value: null, quality: "bad", code: "BadTimeout", timestamp: 2000 },
    { tag: "b", value: 2, unit: "K", quality: "good" },
  ] }]]);
  step.close();
  assert.equal(step.clock.timers, 0);
});

test("batch goes when it is large enough, and some time after its first message", async () => {
  const step = openStep(batchStep, { bytes: 300, every: "1s" });
  for (const tag of ["a", "b", "c", "d"]) step.readings(1000, { [tag]: 1 });
  assert.deepEqual(tagsOf(step), ["abcd"]);
  step.readings(1000, { e: 1 });
  await step.clock.advance(999);
  step.readings(1000, { f: 1 });
  assert.equal(step.emitted.length, 1);
  await step.clock.advance(1);
  assert.deepEqual(tagsOf(step), ["abcd", "ef"]);
  assert.equal(step.clock.timers, 0);
});

test("batch has the highest qos of its messages, and is retained when the last was", async () => {
  const step = openStep(batchStep, { count: 3 });
  for (const [qos, retain] of [[0, true], [1, false], [0, true]] as const) step.send({ qos, retain, payload: { a: 1 } });
  assert.deepEqual(step.emitted.map(({ qos, retain }) => [qos, retain]), [[1, true]]);
});

test("batch lets pass what has no readings, and what there is no room for", () => {
  const step = openStep(batchStep, { topics: 1 });
  assert.equal(step.send({ payload: "text" }).length, 1);
  assert.equal(step.send({ payload: { a: 1 } }).length, 0);
  assert.equal(step.send({ topic: "status/b", payload: { a: 1 } }).length, 1);
  assert.equal(step.counted("too-many-topics"), 1);
  step.close();
});

test("batch remembers over a restart what has gathered, and gives the same batch the same msgid", async () => {
  const first = openStep(batchStep, {});
  for (const msgid of ["1", "2"]) first.send({ msgid, payload: { a: 1 } });
  const second = first.restart();
  await second.clock.advance(1000);
  const again = openStep(batchStep, {});
  for (const msgid of ["1", "2"]) again.send({ msgid, payload: { a: 1 } });
  await again.clock.advance(1000);
  const other = openStep(batchStep, {});
  other.send({ msgid: "1", payload: { a: 1 } });
  await other.clock.advance(1000);
  const ids = [second, again, other].map((step) => step.emitted[0]?.msgid);
  assert.deepEqual([tagsOf(second), ids[0] === ids[1], ids[0] === ids[2]], [["aa"], true, false]);
});
