import assert from "node:assert/strict";
import { test } from "node:test";
import { BusbarError } from "../errors.ts";
import type { Journal, ReadQuery } from "../journal.ts";
import { createMemoryJournal } from "../memory-journal.ts";
import { journalMessage } from "../testkit/journal-message.ts";
import { walkJournal } from "./walk-journal.ts";

const messages = (count: number) => Array.from({ length: count }, (_, at) => journalMessage({ msgid: `m${at}` }));

test("walkJournal() gives everything that is there, page by page, and nothing that comes later", async () => {
  const journal = createMemoryJournal();
  await journal.append(messages(10));
  const pages: number[][] = [];
  for await (const page of walkJournal(journal, { after: 3, limit: 4 })) {
    pages.push(page.map(({ offset }) => offset));
    if (pages.length === 1) await journal.append(messages(1));
  }
  assert.deepEqual(pages.flat().slice(0, 7), [4, 5, 6, 7, 8, 9, 10]);
  assert.ok(pages.every((page) => page.length <= 4));
});

test("walkJournal() goes on with the oldest that is left when retention overtakes it", async () => {
  const journal = createMemoryJournal({ limit: 10 });
  await journal.append(messages(10));
  const seen: number[] = [];
  for await (const page of walkJournal(journal, { after: 0, limit: 3 })) {
    seen.push(...page.map(({ offset }) => offset));
    if (seen.length === 3) await journal.append(messages(6)); // 7 is the oldest now
  }
  assert.deepEqual(seen.slice(0, 7), [1, 2, 3, 7, 8, 9, 10]);
});

test("walkJournal() begins with the oldest there is, and gives nothing of an empty journal", async () => {
  const journal = createMemoryJournal({ limit: 2 });
  for await (const _ of walkJournal(journal, { after: 0, limit: 5 })) assert.fail("it is empty");
  await journal.append(messages(5));
  const seen: number[] = [];
  for await (const page of walkJournal(journal, { after: 0, limit: 5 })) seen.push(...page.map(({ offset }) => offset));
  assert.deepEqual(seen, [4, 5]);
});

test("walkJournal() leaves out what is damaged", async () => {
  const journal = createMemoryJournal();
  await journal.append(messages(4));
  const damaged: Journal = Object.assign(Object.create(journal) as Journal, {
    bounds: () => journal.bounds(),
    read: (query: ReadQuery) => (query.after < 2 ? Promise.reject(new BusbarError("DAMAGED", "Cannot read the entries 1 to 2", { resumeAfter: 2 })) : journal.read(query)),
  });
  const seen: number[] = [];
  for await (const page of walkJournal(damaged, { after: 0, limit: 10 })) seen.push(...page.map(({ offset }) => offset));
  assert.deepEqual(seen, [3, 4]);
});
