import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test, type TestContext } from "node:test";
import type { Envelope } from "@busbar/core";
import { journalMessage } from "@busbar/core/testkit";
import { Pack, unpackEntries } from "./entry-codec.ts";
import type { JournalFile, JournalRetentionStep } from "./journal-file.ts";
import { EntrySeal } from "./entry-seal.ts";
import type { JournalRetention } from "./journal-retention.ts";
import { openJournal } from "./open-journal.ts";
import { StorageFault } from "./storage-fault.ts";
import { temporaryFolder } from "./temporary-storage.ts";

const options = { durability: "full", cacheKiB: 1024, now: 1_750_000_000_000, seal: new EntrySeal(undefined) } as const;
const forever: JournalRetention = { before: 0, size: 1e15, maxSize: 1e15 };

/** Opens a file that is closed when the test ends. */
async function openFile(context: TestContext, more: { readonly maxBytes?: number; readonly file?: string } = {}): Promise<JournalFile> {
  const file = more.file ?? join(temporaryFolder(context), "journal.db");
  const { journal } = await openJournal(file, { ...options, maxBytes: more.maxBytes });
  context.after(() => journal.close());
  return journal;
}

const messages = (count: number, received: number, filler = 100): Envelope[] => Array.from({ length: count }, (_, at) => journalMessage({ payload: [at, "x".repeat(filler)] }, received));

function append(journal: JournalFile, batch: readonly Envelope[]): number {
  const pack = new Pack();
  for (const message of batch) pack.add(message);
  return journal.append(Buffer.from(pack.buffer, 0, pack.length));
}

function readAll(journal: JournalFile, after: number): number[] {
  const offsets = [];
  for (;;) {
    const page = journal.read({ after, limit: 10_000 });
    offsets.push(...unpackEntries(page.buffer).map((entry) => entry.offset));
    if ((after = page.until) === journal.bounds.last) return offsets;
  }
}

function retainAll(journal: JournalFile, limits: JournalRetention): JournalRetentionStep {
  let [removed, forced] = [0, 0];
  for (;;) {
    const step = journal.retain(limits);
    removed += step.removed;
    forced += step.forced;
    if (!step.more) return { ...step, removed, forced };
  }
}

test("retain() removes by age what arrived before, and nothing else", async (context) => {
  const journal = await openFile(context);
  const hour = 3_600_000;
  for (let at = 0; at < 600; at++) append(journal, messages(1, Math.floor(at / 2) * (hour + 1)));
  assert.equal(retainAll(journal, { ...forever, before: 0 }).removed, 0);
  const step = retainAll(journal, { ...forever, before: 200 * (hour + 1) });
  assert.deepEqual([step.removed, step.forced, step.bounds], [400, 0, { first: 401, last: 600 }]);
  assert.deepEqual(readAll(journal, 400), Array.from({ length: 200 }, (_, at) => 401 + at));
  assert.throws(() => journal.read({ after: 399, limit: 1 }), (error: unknown) => error instanceof StorageFault && error.code === "UNKNOWN_OFFSET" && error.message.includes("401"));
});

test("retain() by age keeps what a cursor has not passed", async (context) => {
  const journal = await openFile(context);
  for (let at = 0; at < 20; at++) append(journal, messages(5, 1000));
  journal.moveCursor("slow", 42);
  journal.moveCursor("fast", 100);
  assert.deepEqual(retainAll(journal, { ...forever, before: 2000 }).bounds, { first: 41, last: 100 });
  journal.moveCursor("slow", 45);
  assert.deepEqual(retainAll(journal, { ...forever, before: 2000 }).bounds, { first: 46, last: 100 });
  journal.dropCursor("slow");
  assert.deepEqual(retainAll(journal, { ...forever, before: 2000 }).bounds, { first: 101, last: 100 });
});

test("retain() by size comes down to it, and beyond the hard limit takes even what a cursor needs and counts it", async (context) => {
  const journal = await openFile(context);
  for (let at = 0; at < 60; at++) append(journal, messages(100, 1000 + at, 500));
  const full = journal.bytes;
  assert.ok(full > 60 * 100 * 500);
  const third = retainAll(journal, { ...forever, size: full * 0.66 });
  assert.ok(third.bytes <= full * 0.66 && third.bytes > full * 0.5, `${third.bytes} of ${full}`);
  assert.equal(third.forced, 0);
  journal.moveCursor("slow", third.bounds.first + 99);
  const kept = retainAll(journal, { before: 0, size: full * 0.2, maxSize: full * 0.9 });
  assert.deepEqual([kept.removed, kept.bounds.first], [100, third.bounds.first + 100]);
  const forced = retainAll(journal, { before: 0, size: full * 0.1, maxSize: full * 0.3 });
  assert.ok(forced.bytes <= full * 0.3 && forced.bytes > full * 0.2, `${forced.bytes} of ${full}`);
  assert.equal(forced.forced, forced.removed);
  assert.ok(forced.removed > 0);
  const direct = journal.retain({ before: 0, size: 1, maxSize: full * 0.2 });
  assert.deepEqual(direct.readers, { slow: direct.removed }, "says who lost how many");
});

test("retain() keeps offsets going when everything is gone, and retained values", async (context) => {
  const file = join(temporaryFolder(context), "journal.db");
  const journal = await openFile(context, { file });
  append(journal, [...messages(9, 1000), journalMessage({ from: "kept", payload: "last value", retain: true }, 1000)]);
  assert.deepEqual(retainAll(journal, { ...forever, before: 2000 }).bounds, { first: 11, last: 10 });
  journal.close();
  const again = await openFile(context, { file });
  assert.equal(again.epoch, journal.epoch);
  assert.deepEqual(again.bounds, { first: 11, last: 10 });
  assert.deepEqual(unpackEntries(again.retained().buffer).map(({ offset, message }) => [offset, message.payload]), [[10, "last value"]]);
  assert.equal(append(again, messages(1, 1000)), 11);
});

test("append() rejects OVERLOAD over the limit, keeps what was there, and goes on once there is room", async (context) => {
  const journal = await openFile(context, { maxBytes: 400_000 });
  let appended = 0;
  const overload = (error: unknown): boolean => error instanceof StorageFault && error.code === "OVERLOAD" && error.retryable;
  assert.throws(() => {
    for (;; appended += 50) append(journal, messages(50, 1000 + appended, 300));
  }, overload);
  assert.ok(appended >= 500, `${appended}`);
  assert.throws(() => append(journal, messages(500, 1, 300)), overload);
  assert.deepEqual(journal.bounds, { first: 1, last: appended });
  assert.equal(readAll(journal, 0).length, appended);
  retainAll(journal, { before: 0, size: 200_000, maxSize: 300_000 });
  assert.equal(append(journal, messages(50, 1, 300)), appended + 1);
});

test("read() says which entries are damaged or missing and reads up to them", async (context) => {
  const file = join(temporaryFolder(context), "journal.db");
  const journal = await openFile(context, { file });
  for (let at = 0; at < 200; at++) append(journal, messages(3, 1000));
  journal.close();
  const spoil = (text: string): void => {
    const database = new DatabaseSync(file);
    database.exec(text);
    database.close();
  };
  spoil("update block set body = zeroblob(length(body)) where last = 30");
  const changed = await openFile(context, { file });
  assert.equal(unpackEntries(changed.read({ after: 0, limit: 27 }).buffer).length, 27);
  assert.throws(() => changed.read({ after: 27, limit: 1 }), (error: unknown) => error instanceof StorageFault && error.code === "DAMAGED" && error.resumeAfter === 30 && !error.retryable && /28 to 30/.test(error.message));
  changed.close();
  spoil("delete from block where last = 60");
  const lacking = await openFile(context, { file });
  assert.throws(() => lacking.read({ after: 57, limit: 10 }), /58 to 60/);
  const { count, until } = lacking.read({ after: 50, limit: 1000 });
  assert.deepEqual([count, until], [7, 57]);
  assert.deepEqual(readAll(lacking, 60).length, 540);
});

test("read() gives pages of bounded size whatever the limit", async (context) => {
  const journal = await openFile(context);
  append(journal, messages(30, 1000, 500_000));
  const page = journal.read({ after: 0, limit: 10_000 });
  assert.ok(page.count < 30 && page.count > 0, `${page.count}`);
  assert.equal(page.until, page.count);
  assert.equal(readAll(journal, 0).length, 30);
});

test("retain() merges what arrived one by one and changes nothing that is read", async (context) => {
  const file = join(temporaryFolder(context), "journal.db");
  const journal = await openFile(context, { file });
  const sent = messages(2500, 1000, 150);
  for (const message of sent.slice(0, 1200)) append(journal, [message]);
  append(journal, sent.slice(1200, 1700)); // more than one block
  for (const message of sent.slice(1700)) append(journal, [message]);
  journal.moveCursor("slow", 700);
  assert.deepEqual([retainAll(journal, forever).removed, journal.bounds], [0, { first: 1, last: 2500 }]);
  const read = (after: number) => {
    const found = [];
    for (let page = journal.read({ after, limit: 10_000 }); ; page = journal.read({ after: page.until, limit: 10_000 })) {
      found.push(...unpackEntries(page.buffer));
      if (page.until === 2500) return found;
    }
  };
  for (const after of [0, 1, 699, 1199, 1650, 2499]) {
    const found = read(after);
    assert.equal(found.length, 2500 - after);
    found.forEach((entry, at) => assert.deepEqual([entry.offset, entry.message.msgid], [after + at + 1, sent[after + at]!.msgid]));
  }
  assert.equal(append(journal, messages(1, 1000)), 2501);
  journal.close();
  const database = new DatabaseSync(file);
  const { blocks, longest } = database.prepare("select count(*) as blocks, max(length(body)) as longest from block").get() as { blocks: number; longest: number };
  database.close();
  assert.ok(blocks < 600, `${blocks} blocks, of 2001 once`);
  assert.ok(longest <= 65_536 && longest > 60_000, `${longest}`);
});

test("checkpointIfDue() keeps the write-ahead log from growing on", async (context) => {
  const file = join(temporaryFolder(context), "journal.db");
  const journal = await openFile(context, { file });
  for (let at = 0; at < 60; at++) {
    append(journal, messages(1000, 1000, 1000));
    journal.checkpointIfDue();
  }
  assert.ok(statSync(file).size > 40e6);
  assert.ok(statSync(file + "-wal").size < 25e6, `${statSync(file + "-wal").size}`);
});
