import assert from "node:assert/strict";
import { closeSync, copyFileSync, openSync, readdirSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { TestContext } from "node:test";
import { BusbarError, type Entry, type Journal } from "@busbar/core";
import { journalMessage } from "@busbar/core/testkit";
import type { Finding } from "./finding.ts";
import { openStorage, type Storage } from "./storage.ts";
import { temporaryFolder } from "./temporary-storage.ts";

/** A storage that is open, and what it found. */
export interface Opened extends Storage {
  readonly findings: readonly Finding[];
}

/** Opens a storage that is closed when the test ends. */
export async function open(context: TestContext, file: string): Promise<Opened> {
  const findings: Finding[] = [];
  const storage = await openStorage({ file, onFinding: (finding) => findings.push(finding) });
  context.after(() => storage.close());
  return { ...storage, findings };
}

/** Makes a journal of `batches` batches of 20 messages, a retained value every tenth, a cursor, and some series. */
export async function fill(context: TestContext, batches = 40): Promise<{ readonly file: string; readonly epoch: string; readonly last: number }> {
  const file = join(temporaryFolder(context), "busbar.db");
  const storage = await open(context, file);
  for (let batch = 0; batch < batches; batch++) {
    await storage.journal.append(Array.from({ length: 20 }, (_, at) => journalMessage({ from: "dev-" + at, msgid: `${batch}-${at}`, retain: at % 10 === 0, payload: { batch, at, filler: "x".repeat(300) } })));
    for (let at = 0; at < 50; at++) storage.queue.add(journalMessage({ from: "dev-" + at, timestamp: 1_750_000_000_000 + batch, payload: { temperature: batch } }));
  }
  await storage.journal.moveCursor("reader", 333);
  await storage.close();
  return { file, epoch: storage.journal.epoch, last: batches * 20 };
}

/** Reads on as a durable reader does: over what is damaged. */
export async function readOn(journal: Journal): Promise<{ readonly entries: readonly Entry[]; readonly lost: readonly (readonly [number, number])[] }> {
  const entries: Entry[] = [];
  const lost: [number, number][] = [];
  const { first, last } = journal.bounds();
  for (let after = first - 1; after < last; ) {
    try {
      const page = await journal.read({ after, limit: 1000 });
      entries.push(...page.entries);
      assert.ok(page.until > after, `reading after ${after} gets on`);
      after = page.until;
    } catch (error) {
      assert.ok(error instanceof BusbarError && error.code === "DAMAGED" && !error.retryable && error.resumeAfter! > after, String(error));
      lost.push([after + 1, error.resumeAfter!]);
      after = error.resumeAfter!;
    }
  }
  return { entries, lost };
}

/** Changes a database behind our back. */
export function change(file: string, text: string): void {
  const database = new DatabaseSync(file);
  database.exec(text);
  database.close();
}

/** Overwrites bytes of a file at a place. */
export function overwrite(path: string, at: number, bytes: Uint8Array): void {
  const file = openSync(path, "r+");
  writeSync(file, bytes, 0, bytes.length, at);
  closeSync(file);
}

/** Every message there is one that was sent, in order and once, with the offset it had; and nothing is neither there nor said to be lost. */
export function checkEntries(read: { readonly entries: readonly Entry[]; readonly lost: readonly (readonly [number, number])[] }, bounds: { readonly first: number; readonly last: number }): void {
  for (const { offset, message } of read.entries) assert.equal(message.msgid, `${Math.floor((offset - 1) / 20)}-${(offset - 1) % 20}`);
  const lost = read.lost.reduce((sum, [first, last]) => sum + last - first + 1, 0);
  assert.equal(read.entries.length + lost, bounds.last - bounds.first + 1);
}

/** A journal that was not closed: its log is as it was when the process was killed. */
export async function fillOpen(context: TestContext): Promise<{ readonly file: string; readonly last: number; readonly epoch: string }> {
  const live = join(temporaryFolder(context), "busbar.db");
  const storage = await open(context, live);
  for (let batch = 0; batch < 100; batch++) await storage.journal.append(Array.from({ length: 20 }, (_, at) => journalMessage({ msgid: `${batch}-${at}`, from: "dev-" + at, retain: at === 0, payload: { batch, filler: "x".repeat(200) } })));
  const folder = temporaryFolder(context);
  for (const name of readdirSync(dirname(live))) copyFileSync(join(dirname(live), name), join(folder, name));
  return { file: join(folder, "busbar.db"), last: 2000, epoch: storage.journal.epoch };
}
