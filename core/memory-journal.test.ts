import assert from "node:assert/strict";
import { test } from "node:test";
import { BusbarError } from "./errors.ts";
import { createMemoryJournal } from "./memory-journal.ts";
import { journalMessage } from "./testkit/journal-message.ts";
import { journalSuite } from "./testkit/journal-suite.ts";

journalSuite("memory", async () => ({ journal: createMemoryJournal(), close: async () => {} }), { durable: false });

test("createMemoryJournal() drops the oldest entries beyond its limit and keeps retained values and cursors", async () => {
  const journal = createMemoryJournal({ limit: 10 });
  await journal.append([journalMessage({ from: "kept", payload: "first", retain: true })]);
  await journal.moveCursor("slow", 1);
  for (let at = 0; at < 35; at++) await journal.append([journalMessage({ payload: at }), journalMessage({ payload: at })]);
  assert.deepEqual(journal.bounds(), { first: 62, last: 71 });
  const page = await journal.read({ after: 61, limit: 100 });
  assert.deepEqual(page.entries.map((entry) => [entry.offset, entry.message.payload]), [30, 30, 31, 31, 32, 32, 33, 33, 34, 34].map((payload, at) => [62 + at, payload]));
  await assert.rejects(journal.read({ after: 60, limit: 1 }), (error: unknown) => error instanceof BusbarError && error.code === "UNKNOWN_OFFSET" && error.message.includes("62"));
  assert.deepEqual((await journal.retained()).map((entry) => entry.message.payload), ["first"]);
  assert.equal(await journal.cursor("slow"), 1);
});

test("createMemoryJournal() takes a batch larger than its limit", async () => {
  const journal = createMemoryJournal({ limit: 3 });
  await journal.append(Array.from({ length: 8 }, (_, at) => journalMessage({ payload: at })));
  assert.deepEqual((await journal.read({ after: 5, limit: 9 })).entries.map((entry) => entry.message.payload), [5, 6, 7]);
});

test("createMemoryJournal() refuses a limit that is none", () => {
  for (const limit of [0, -1, 1.5, Number.NaN]) assert.throws(() => createMemoryJournal({ limit }), RangeError);
});
