import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, openSync, closeSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { BusbarError, commandFor } from "@busbar/core";
import { journalMessage, readAll } from "@busbar/core/testkit";
import { openStorage } from "../../plugins/storage-sqlite/storage.ts";
import { createRandom } from "./random.ts";
import { killAtCall, straceMissing } from "./strace.ts";
import { tmpfsMissing } from "./tmpfs.ts";

const program = fileURLToPath(new URL("./storage-load.ts", import.meta.url));
/** What SQLite and we change files with. */
const calls = ["pwrite64", "write", "fsync", "fdatasync", "ftruncate", "rename", "unlink"];
const cycles = Number(process.env["BUSBAR_FAULTS_CYCLES"] ?? 4);

/** What the program was told, over all its runs. */
interface Told {
  readonly acks: { readonly first: number; readonly count: number; readonly name: string }[];
  readonly refused: string[];
  cursor: number;
  closed: boolean;
}

function folderOf(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "busbar-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Runs the program behind `words` (strace) until it ends, and takes down what it says. */
async function load(file: string, told: Told, options: { readonly words: readonly string[]; readonly batches: number }): Promise<void> {
  const [command, ...words] = [...options.words, ...commandFor(program), file, String(options.batches)];
  const child = spawn(command!, words, { stdio: ["ignore", "pipe", "inherit"] });
  const exit = once(child, "exit");
  told.closed = false;
  for await (const line of createInterface({ input: child.stdout! })) {
    const [what, ...rest] = line.split(" ");
    if (what === "ack") told.acks.push({ first: Number(rest[0]), count: Number(rest[1]), name: rest[2]! });
    else if (what === "cursor") told.cursor = Number(rest[0]);
    else if (what === "refused") told.refused.push(rest[0]!);
    else told.closed = what === "closed";
  }
  await exit;
}

/** Opens the journal and checks that what was acknowledged is there once, where it was said to be, and whole. Returns how many entries were looked for. */
async function check(file: string, told: Told): Promise<number> {
  const storage = await openStorage({ file, onFinding: (finding) => assert.equal(finding.lost, 0, finding.message) });
  try {
    const { first, last } = storage.journal.bounds();
    const entries = await readAll(storage.journal, { after: first - 1, limit: 10_000 });
    const at = new Map(entries.map(({ offset, message }) => [offset, message.msgid]));
    assert.equal(at.size, last - first + 1, "no offset is missing");
    assert.equal(new Set(at.values()).size, at.size, "nothing is there twice");
    const cursor = (await storage.journal.cursor("reader")) ?? 0;
    assert.ok(cursor >= told.cursor && first <= cursor + 1, `the reader stands at ${cursor}, it was told ${told.cursor}, the oldest is ${first}`);
    let [looked, before] = [0, 0];
    for (const { first: from, count, name } of told.acks) {
      assert.ok(from > before, `offset ${from} came after ${before}`);
      before = from + count - 1;
      for (let offset = Math.max(from, first); offset <= before; offset++, looked++) assert.equal(at.get(offset), `${name}.${offset - from}`);
    }
    assert.ok(last >= before);
    for (const { offset, message } of await storage.journal.retained()) if (offset >= first) assert.equal(at.get(offset), message.msgid);
    return looked;
  } finally {
    await storage.close();
  }
}

test("openStorage() has everything that was acknowledged after SIGKILL at any system call, also while it salvages", { skip: straceMissing() ?? false }, async (context) => {
  const seed = Math.floor(Math.random() * 2 ** 32);
  const random = createRandom(seed);
  const file = join(folderOf(context), "busbar.db");
  const told: Told = { acks: [], refused: [], cursor: 0, closed: false };
  try {
    let killed = 0;
    for (let cycle = 0; cycle < cycles; cycle++) {
      const salvages = cycle % 4 === 3;
      if (salvages) spoilFirstPage(file);
      await load(file, told, { words: killAtCall(calls, random.between(1, salvages ? 120 : 1500)), batches: 60 });
      if (!told.closed) killed++;
      await check(file, told);
    }
    assert.ok(killed > cycles / 3, `${killed} of ${cycles} were killed`);
    assert.ok(told.acks.length > cycles, `${told.acks.length} batches were acknowledged`);
  } catch (error) {
    throw new Error(`it fails with seed ${seed}`, { cause: error });
  }
});

function spoilFirstPage(file: string): void {
  if (!existsSync(file)) return;
  const descriptor = openSync(file, "r+");
  writeSync(descriptor, Buffer.alloc(4096, 0xa5), 0, 4096, 0);
  closeSync(descriptor);
}

for (const [title, calls, error] of [["a failed fsync", "fsync,fdatasync", "EIO"], ["a failed write", "pwrite64", "EIO"], ["a full disk for a moment", "pwrite64", "ENOSPC"]] as const) {
  test(`append() after ${title} acknowledges nothing that is not there`, { skip: straceMissing() ?? false }, async (context) => {
    const file = join(folderOf(context), "busbar.db");
    const told: Told = { acks: [], refused: [], cursor: 0, closed: false };
    await load(file, told, { words: [], batches: 6 });
    await load(file, told, { words: ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", `trace=${calls}`, "-e", `inject=${calls}:error=${error}:when=60+41`], batches: 120 });
    assert.ok(told.refused.length > 0, "it was refused at least once");
    assert.ok(told.acks.length > 20, "and went on");
    assert.ok((await check(file, told)) > 100);
  });
}

test("append() on a full disk rejects OVERLOAD, keeps what was acknowledged, and goes on once there is room", { skip: tmpfsMissing() ?? false }, async (context) => {
  const folder = join(folderOf(context), "small");
  mkdirSync(folder);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=8m", "busbar", folder]);
  try {
    writeFileSync(join(folder, "ballast"), Buffer.alloc(2 * 1024 * 1024));
    const storage = await openStorage({ file: join(folder, "busbar.db") });
    const { journal } = storage;
    try {
      let acknowledged = 0;
      const batch = () => Array.from({ length: 50 }, () => journalMessage({ payload: "x".repeat(500) }));
      const overload = (error: unknown): boolean => error instanceof BusbarError && error.code === "OVERLOAD" && error.retryable;
      await assert.rejects(async () => {
        for (;;) acknowledged = (await journal.append(batch())) + 49;
      }, overload);
      assert.ok(acknowledged > 500);
      for (let again = 0; again < 3; again++) await assert.rejects(journal.append(batch()), overload);
      assert.deepEqual(journal.bounds(), { first: 1, last: acknowledged });
      assert.equal((await readAll(journal, { after: 0 })).length, acknowledged);
      rmSync(join(folder, "ballast"));
      assert.equal(await journal.append(batch()), acknowledged + 1);
      assert.equal((await readAll(journal, { after: 0 })).length, acknowledged + 50);
    } finally {
      await storage.close();
    }
  } finally {
    execFileSync("umount", [folder]);
  }
});
