import assert from "node:assert/strict";
import { test } from "node:test";
import type { Outcome } from "./outcome.ts";
import { secondTry } from "./second-try.ts";

const outcome = (...names: string[]): Outcome => ({ passed: 10, failures: names.map((name) => ({ name, text: "late" })), skips: [] });

test("secondTry() runs the files of what failed once more: what passes then is unsteady, what fails again has failed", async () => {
  const runs: (readonly string[])[] = [];
  const both = await secondTry(outcome("a.test.ts: one", "a.test.ts: two", "b.test.ts: suite > three"), async (files) => (runs.push(files), outcome("b.test.ts: suite > three")));
  assert.deepEqual(runs, [["a.test.ts", "b.test.ts"]]);
  assert.deepEqual(both, { passed: 12, failures: [{ name: "b.test.ts: suite > three", text: "late" }], skips: [], unsteady: [{ name: "a.test.ts: one", text: "late" }, { name: "a.test.ts: two", text: "late" }] });
});

test("secondTry() counts what fails only the second time, too", async () => {
  const { failures, unsteady } = await secondTry(outcome("a.test.ts: one"), async () => outcome("a.test.ts: two"));
  assert.deepEqual([failures.map(({ name }) => name), unsteady], [["a.test.ts: one", "a.test.ts: two"], []]);
});

test("secondTry() leaves it at the first when nothing failed, when more than three files did, and when it was no test", async () => {
  for (const first of [outcome(), outcome("a.test.ts: 1", "b.test.ts: 1", "c.test.ts: 1", "d.test.ts"), outcome("node --test")]) {
    assert.equal(await secondTry(first, () => Promise.reject(new Error("it ran"))), first);
  }
});
