import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test, type TestContext } from "node:test";
import { BusbarError, type Envelope, type Journal } from "@busbar/core";
import { journalMessage, readAll } from "@busbar/core/testkit";
import { change, open } from "./damage-fixture.ts";
import { temporaryFolder } from "./temporary-storage.ts";

const count = 3000;
const followed = ["command/#", "ack/#", "command-sent/#", "dead-letter/#"];

/** One message in 100 a command, one in 1,000 an event, with 300 bytes each: a block has some 150. */
const messageAt = (at: number): Envelope => journalMessage({ type: at % 100 === 7 ? "command" : at % 1000 === 500 ? "event" : "status", from: "dev", msgid: `m-${at}`, payload: { at, filler: "x".repeat(300) } });

async function filled(context: TestContext): Promise<string> {
  const file = join(temporaryFolder(context), "busbar.db");
  const storage = await open(context, file);
  for (let at = 0; at < count; at += 500) await storage.journal.append(Array.from({ length: 500 }, (_, index) => messageAt(at + index)));
  await storage.close();
  return file;
}

const msgids = async (journal: Journal, pattern: readonly string[], after = 0): Promise<string[]> => (await readAll(journal, { after, limit: 10_000, pattern })).map(({ message }) => message.msgid);
const every = (step: number, start: number, from = 0): string[] => Array.from({ length: count }, (_, at) => at).filter((at) => at % step === start && at >= from).map((at) => `m-${at}`);

test("read() of types that are followed needs no block, and of another type only those that have it", async (context) => {
  const file = await filled(context);
  change(file, "update block set body = zeroblob(length(body)) where last not in (select last from summary where types like '%event %') and last < (select max(last) from block)");
  const { journal } = await open(context, file);
  assert.deepEqual(await msgids(journal, followed), every(100, 7));
  assert.deepEqual(await msgids(journal, ["command/#"], 1510), every(100, 7, 1510));
  assert.deepEqual(await msgids(journal, ["event/#"]), every(1000, 500));
  assert.deepEqual(await msgids(journal, ["dead-letter/#"]), []);
  await assert.rejects(msgids(journal, ["status/#"]), { code: "DAMAGED" });
});

for (const [title, spoil] of Object.entries({
  "says that nothing is there": "update summary set types = 'status ', noted = x''",
  "lost what it copied": "update summary set noted = x''",
  "has zeros for what it copied": "update summary set noted = zeroblob(length(noted))",
  "speaks of more than its block": "update summary set first = first - 150, last = last where first > 150",
  "is that of another block": "update summary set last = last + 1000000; update summary set last = last - 1000300",
  "is of other types than its columns": "update summary set first = 'x', types = 5",
  "is missing now and then": "delete from summary where last % 2 = 0",
  "was never made": "delete from summary",
})) {
  test(`read() finds everything although each summary ${title}`, async (context) => {
    const file = await filled(context);
    const database = new DatabaseSync(file);
    database.exec(spoil);
    database.close();
    const { journal } = await open(context, file);
    assert.deepEqual(await msgids(journal, followed), every(100, 7));
    assert.deepEqual(await msgids(journal, ["event/#"], 600), every(1000, 500, 600));
  });
}

test("read() rejects DAMAGED where what it wants was in a block that is not as it was written", async (context) => {
  const file = await filled(context);
  change(file, "update block set body = zeroblob(length(body)) where last = (select min(last) from summary where types like '%event %')");
  const { journal } = await open(context, file);
  let resumeAfter = 0;
  await assert.rejects(msgids(journal, ["event/#"]), (error: unknown) => error instanceof BusbarError && error.code === "DAMAGED" && (resumeAfter = error.resumeAfter!) > 500);
  assert.deepEqual(await msgids(journal, ["event/#"], resumeAfter), every(1000, 500, resumeAfter));
});

test("openStorage() takes a journal from before there were summaries over, and sums up what comes now", async (context) => {
  const file = await filled(context);
  for (const table of ["summary", "sealing"]) change(file, `drop table ${table}`);
  change(file, "delete from kysely_migration where name > '0002'");
  change(file, "pragma user_version = 1");
  const { journal } = await open(context, file);
  await journal.append([journalMessage({ type: "command", msgid: "new" })]);
  assert.deepEqual(await msgids(journal, followed), [...every(100, 7), "new"]);
  assert.deepEqual(await msgids(journal, ["event/#"]), every(1000, 500));
  await journal.append([journalMessage({ type: "event", msgid: "newer" })]);
  assert.deepEqual(await msgids(journal, ["event/#"]), [...every(1000, 500), "newer"]);
});

test("read() of a block with too many commands to copy reads the block", async (context) => {
  const storage = await open(context, join(temporaryFolder(context), "busbar.db"));
  const commands = Array.from({ length: 300 }, (_, at) => journalMessage({ type: at % 3 === 0 ? "ack" : "command", msgid: `c-${at}`, payload: "x".repeat(200) }));
  await storage.journal.append(commands);
  assert.deepEqual(await msgids(storage.journal, followed), commands.map(({ msgid }) => msgid));
  assert.deepEqual(await msgids(storage.journal, ["ack/#"]), commands.filter(({ type }) => type === "ack").map(({ msgid }) => msgid));
});
