import assert from "node:assert/strict";
import { copyFileSync, existsSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { journalMessage, readAll } from "@busbar/core/testkit";
import { change, checkEntries, fill, fillOpen, open, overwrite, readOn } from "./damage-fixture.ts";
import type { Finding } from "./finding.ts";
import { temporaryFolder } from "./temporary-storage.ts";

test("openStorage() cuts a torn tail, keeps it, reports it, and gives no offset twice", async (context) => {
  const { file, epoch, last } = await fill(context);
  change(file, "update block set body = zeroblob(length(body)) where last > 740");
  const storage = await open(context, file);
  const { journal, findings } = storage;
  assert.equal(journal.epoch, epoch);
  assert.deepEqual(findings.map(({ reason, lost }) => [reason, lost]), [["torn-tail", 60]]);
  assert.match(findings[0]!.message, /offsets 741 to 800/);
  const aside = new DatabaseSync(findings[0]!.keptAs!);
  assert.deepEqual(aside.prepare("select last from block order by last").all().map((row) => row["last"]), [760, 780, 800]);
  aside.close();
  assert.deepEqual(journal.bounds(), { first: 1, last });
  const read = await readOn(journal);
  assert.deepEqual(read.lost, [[741, 800]]);
  checkEntries(read, journal.bounds());
  assert.equal(await journal.append([journalMessage()]), last + 1);
  assert.deepEqual((await readOn(journal)).entries.at(-1)!.offset, last + 1);
  await storage.close();
  const again = await open(context, file);
  assert.deepEqual(again.findings, [], "it is reported once");
  assert.deepEqual((await readOn(again.journal)).lost, [[741, 800]]);
});

test("openStorage() cuts everything when nothing is as it was written", async (context) => {
  const { file, last } = await fill(context, 20);
  change(file, "update block set crc = crc + 1");
  const { journal, findings } = await open(context, file);
  assert.deepEqual(findings.map(({ reason, lost }) => [reason, lost]), [["torn-tail", 400]]);
  assert.deepEqual(journal.bounds(), { first: last + 1, last });
  assert.equal(await journal.append([journalMessage()]), last + 1);
});

test("read() rejects DAMAGED with the exact extent and where to go on, and each extent is reported once", async (context) => {
  const { file, last } = await fill(context, 200);
  change(file, "update block set body = zeroblob(length(body)) where last in (40, 60, 2000); delete from block where last = 80; update block set body = null_body from (select 'text' as null_body) where last = 120");
  const { journal, findings, store } = await open(context, file);
  assert.deepEqual(findings, [], "none of it is among the newest");
  for (let round = 0; round < 2; round++) {
    const read = await readOn(journal);
    assert.deepEqual(read.lost, [[21, 80], [101, 120], [1981, 2000]]);
    checkEntries(read, { first: 1, last });
  }
  assert.deepEqual(findings.map(({ reason, lost }) => [reason, lost]), [["damaged-block", 60], ["damaged-block", 20], ["damaged-block", 20]]);
  assert.equal((await store.messages({ limit: 5000 })).entries.length, last - 100);
});

test("openStorage() says which of the newest blocks are damaged", async (context) => {
  const { file } = await fill(context);
  change(file, "update block set body = zeroblob(length(body)) where last in (700, 720)");
  const { findings } = await open(context, file);
  assert.deepEqual(findings.map(({ reason, lost, message }) => [reason, lost, /681 to 720/.test(message)]), [["damaged-block", 40, true]]);
});

test("openStorage() after a kill has everything and finds nothing wrong", async (context) => {
  const { file, last } = await fillOpen(context);
  assert.ok(statSync(file + "-wal").size > 100_000);
  const { journal, findings } = await open(context, file);
  assert.deepEqual(findings, []);
  assert.equal((await readAll(journal, { after: 0 })).length, last);
});

test("openStorage() notices that the end of the write-ahead log is gone, and goes on beyond it", async (context) => {
  const { file, last } = await fillOpen(context);
  truncateSync(file + "-wal", Math.floor(statSync(file + "-wal").size / 2));
  const storage = await open(context, file);
  const { journal, findings } = storage;
  assert.equal(findings.length, 1);
  const [{ reason, lost, message, keptAs }] = findings as [Finding];
  assert.equal(reason, "missing-tail");
  assert.ok(lost > 500 && lost < 1500, `${lost}`);
  assert.match(message, /acknowledged were 2000/);
  assert.ok(existsSync(keptAs!));
  const read = await readOn(journal);
  assert.deepEqual(read.lost, [[last - lost + 1, last]]);
  checkEntries(read, { first: 1, last });
  assert.equal(await journal.append([journalMessage()]), last + 1);
  await storage.close();
  assert.deepEqual((await open(context, file)).findings, []);
});

test("openStorage() finds again what lies behind a flipped bit of the write-ahead log, which SQLite drops", async (context) => {
  const { file, last } = await fillOpen(context);
  const size = statSync(file + "-wal").size;
  for (const share of [0.1, 0.5, 0.9]) {
    const copy = join(temporaryFolder(context), "busbar.db");
    for (const tail of ["", "-wal", "-ack"]) copyFileSync(file + tail, copy + tail);
    const at = 32 + Math.floor((size * share) / 4120) * 4120 + 1000;
    overwrite(copy + "-wal", at, Buffer.from([readFileSync(copy + "-wal")[at]! ^ 4]));
    const { journal, findings } = await open(context, copy);
    assert.deepEqual(findings.map(({ reason }) => reason), ["missing-tail"]);
    assert.ok(findings[0]!.lost <= 60, `${share}: ${findings[0]!.message}`);
    const read = await readOn(journal);
    checkEntries(read, { first: 1, last });
    assert.ok((await journal.retained()).some((entry) => entry.offset > 1900), "retained values come back with their messages");
  }
});

test("openStorage() finds it again also when the power failed after SQLite had dropped it", async (context) => {
  const { file, last } = await fillOpen(context);
  const at = 32 + Math.floor(statSync(file + "-wal").size / 2 / 4120) * 4120 + 1000;
  overwrite(file + "-wal", at, Buffer.from([readFileSync(file + "-wal")[at]! ^ 4]));
  const [image, ack] = [readFileSync(file), readFileSync(file + "-ack")];
  const whole = readFileSync(file + "-wal").subarray(0, 32 + Math.floor((at - 32) / 4120) * 4120);
  const first = await open(context, file);
  const lost = first.findings[0]!.lost;
  await first.close();
  writeFileSync(file, image);
  writeFileSync(file + "-wal", whole);
  writeFileSync(file + "-ack", ack);
  const { journal, findings } = await open(context, file);
  assert.deepEqual(findings.map((finding) => [finding.reason, finding.lost]), [["missing-tail", lost]]);
  checkEntries(await readOn(journal), { first: 1, last });
});

test("retain() does not merge across offsets that are lost: each entry keeps its own", async (context) => {
  const { file, last } = await fillOpen(context);
  truncateSync(file + "-wal", Math.floor(statSync(file + "-wal").size / 2));
  const { journal, findings, retain } = await open(context, file);
  const { lost } = findings[0]!;
  for (let at = 0; at < 100; at++) await journal.append(Array.from({ length: 20 }, (_, place) => journalMessage({ msgid: `${(last + at * 20) / 20}-${place}`, payload: "x".repeat(200) })));
  const none = { before: 0, size: 1e12, maxSize: 1e12 };
  for (let more = true; more; ) ({ more } = await retain({ journal: none, series: { before: 0, size: 1e12 } }));
  const read = await readOn(journal);
  assert.deepEqual(read.lost, [[last - lost + 1, last]]);
  checkEntries(read, { first: 1, last: last + 2000 });
});

test("openStorage() notices an older copy of the file", async (context) => {
  const { file } = await fill(context);
  const copy = readFileSync(file);
  const storage = await open(context, file);
  await storage.journal.append([journalMessage(), journalMessage()]);
  await storage.close();
  writeFileSync(file, copy);
  const { journal, findings } = await open(context, file);
  assert.deepEqual(findings.map(({ reason, lost }) => [reason, lost]), [["missing-tail", 2]]);
  assert.match(findings[0]!.message, /older copy/);
  assert.equal(await journal.append([journalMessage()]), 803);
});

test("openStorage() gives a new file a new epoch, and notices when another file took the place of the old one", async (context) => {
  const { file, epoch } = await fill(context);
  rmSync(file);
  const storage = await open(context, file);
  assert.notEqual(storage.journal.epoch, epoch);
  assert.match(storage.findings[0]!.message, /another one than before/);
  assert.deepEqual(storage.journal.bounds(), { first: 801, last: 800 });
  await storage.close();
  assert.deepEqual((await open(context, file)).findings, []);
});
