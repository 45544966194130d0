import assert from "node:assert/strict";
import { test } from "node:test";
import { createWorkLine } from "./work-line.ts";

/** A piece of work that ends when the test says so. */
function work() {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const state = { begun: false };
  return { state, resolve, reject, run: () => ((state.begun = true), promise) };
}

test("WorkLine.run() lets the next one begin only when one has ended, in order", async () => {
  const line = createWorkLine({ concurrency: 2, waiting: 10 });
  const jobs = [work(), work(), work(), work()];
  const ended = jobs.map((job) => line.run(job.run));
  await new Promise(setImmediate);
  assert.deepEqual(jobs.map(({ state }) => state.begun), [true, true, false, false]);
  jobs[1]!.reject(new Error("failed"));
  await assert.rejects(ended[1]!, /failed/);
  assert.deepEqual(jobs.map(({ state }) => state.begun), [true, true, true, false]);
  jobs[2]!.resolve("c");
  assert.equal(await ended[2], "c");
  assert.equal(jobs[3]!.state.begun, true);
  jobs[0]!.resolve("a");
  jobs[3]!.resolve("d");
  assert.deepEqual(await Promise.all([ended[0], ended[3]]), ["a", "d"]);
  assert.equal(await line.run(async () => "later"), "later");
});

test("WorkLine.run() refuses when the line is full", async () => {
  const line = createWorkLine({ concurrency: 1, waiting: 1 });
  const jobs = [work(), work()];
  const ended = jobs.map((job) => line.run(job.run));
  await assert.rejects(line.run(async () => "x"), { reason: "overload", retryable: true });
  for (const job of jobs) job.resolve("done");
  await Promise.all(ended);
  assert.equal(await line.run(async () => "x"), "x");
});

test("WorkLine.run() gives the place back of one who leaves before its turn", async () => {
  const line = createWorkLine({ concurrency: 1, waiting: 1 });
  const first = work();
  const ended = line.run(first.run);
  const leaver = new AbortController();
  const left = work();
  const waiting = line.run(left.run, leaver.signal);
  leaver.abort(new Error("gone"));
  await assert.rejects(waiting, /gone/);
  const third = line.run(async () => "third");
  first.resolve("first");
  assert.deepEqual(await Promise.all([ended, third]), ["first", "third"]);
  assert.equal(left.state.begun, false);
  await assert.rejects(line.run(left.run, leaver.signal), /gone/);
  assert.equal(left.state.begun, false);
});
