import assert from "node:assert/strict";
import { test } from "node:test";
import { fuzzWatched } from "./watched-fuzz.ts";

test("fuzzWatched() fuzzes in a thread of its own, and gives what it found out", async () => {
  const outcome = await fuzzWatched({ target: "framing-varint", seed: 3, executions: 500, time: 60_000, corpus: [Uint8Array.of(0x80)] });
  assert.equal(outcome.finding, undefined);
  assert.ok(outcome.executions > 500 && outcome.outcomes > 3);
});

test("fuzzWatched() finds a thread that ends by itself", async () => {
  const { finding } = await fuzzWatched({ target: "nothing-of-that-name", seed: 3, executions: 1, time: 1000, corpus: [] });
  assert.ok(finding?.kind === "error" || finding?.kind === "exit", finding?.text);
});
