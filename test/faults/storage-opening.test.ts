import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { BusbarError, commandFor } from "@busbar/core";
import { journalMessage, readAll } from "@busbar/core/testkit";
import { journalSchema } from "../../plugins/storage-sqlite/schema-version.ts";
import { openStorage } from "../../plugins/storage-sqlite/storage.ts";
import { readImage, writeImage } from "./disk-image.ts";
import { createRandom } from "./random.ts";
import { killAtCall, straceMissing } from "./strace.ts";
import { tmpfsMissing } from "./tmpfs.ts";

const migration = fileURLToPath(new URL("./storage-migration.ts", import.meta.url));
const cycles = Number(process.env["BUSBAR_FAULTS_CYCLES"] ?? 8);
const messages = 600;

function folderOf(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "busbar-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Makes a journal, closed or as a killed process leaves it. */
async function fill(folder: string, { closed }: { readonly closed: boolean }): Promise<ReadonlyMap<string, Buffer>> {
  const storage = await openStorage({ file: join(folder, "busbar.db") });
  try {
    for (let batch = 0; batch < messages / 20; batch++) await storage.journal.append(Array.from({ length: 20 }, (_, at) => journalMessage({ msgid: `${batch}-${at}`, payload: "x".repeat(300) })));
    if (!closed) return readImage(folder);
  } finally {
    await storage.close();
  }
  return readImage(folder);
}

/** Ends with how the program did: its exit code, or the signal. */
async function run(words: readonly string[]): Promise<number | string> {
  const child = spawn(words[0]!, words.slice(1), { stdio: ["ignore", "ignore", "inherit"] });
  const [code, signal] = (await once(child, "exit")) as [number | null, string | null];
  return code ?? signal!;
}

test("openDatabaseFile() has migrated wholly or not at all after SIGKILL at any system call of a migration", { skip: straceMissing() ?? false }, async (context) => {
  const seed = Math.floor(Math.random() * 2 ** 32);
  const random = createRandom(seed);
  const root = folderOf(context);
  const images = [await fill(join(root, "closed"), { closed: true }), await fill(join(root, "open"), { closed: false })];
  const was = { killed: 0, old: 0, new: 0 };
  try {
    for (let cycle = 0; cycle < cycles; cycle++) {
      const folder = join(root, `cycle-${cycle}`);
      const file = join(folder, "busbar.db");
      writeImage(images[cycle % 2]!, folder);
      const calls = cycle % 3 === 0 ? ["fsync", "fdatasync", "unlink", "ftruncate"] : ["pwrite64", "fsync", "fdatasync", "unlink", "ftruncate"];
      const how = await run([...killAtCall(calls, random.between(1, cycle % 3 === 0 ? 12 : 300)), ...commandFor(migration), file]);
      assert.ok(how === 0 || how === "SIGKILL", `it ended with ${how}`);
      if (how === "SIGKILL") was.killed++;
      const storage = await openStorage({ file, onFinding: ({ message }) => assert.fail(message) }).catch((error: unknown) => {
        assert.ok(error instanceof BusbarError && error.message.includes(`its schema version is ${journalSchema.version + 1}, this program knows up to ${journalSchema.version}`), String(error));
      });
      if (storage !== undefined) {
        was.old++;
        const entries = await readAll(storage.journal, { after: 0 });
        await storage.close();
        assert.deepEqual(entries.map(({ message }) => message.msgid), Array.from({ length: messages }, (_, at) => `${Math.floor(at / 20)}-${at % 20}`));
      } else was.new++;
      assert.equal(await run([...commandFor(migration), file]), 0, "it can be finished");
      const database = new DatabaseSync(file);
      const { blocks, entries } = database.prepare("select count(*) as blocks, sum(last - first + 1) as entries from moved").get()!;
      database.close();
      assert.deepEqual([blocks, entries], [messages / 20, messages]);
      rmSync(folder, { recursive: true });
    }
    assert.ok(was.killed > 0 && was.old > 0, JSON.stringify(was));
  } catch (error) {
    throw new Error(`it fails with seed ${seed}`, { cause: error });
  }
});

test("openStorage() on a file system that may not be written rejects IO, and opens once it may", { skip: tmpfsMissing() ?? false }, async (context) => {
  const folder = join(folderOf(context), "medium");
  mkdirSync(folder);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=16m", "busbar", folder]);
  try {
    await fill(folder, { closed: true });
    for (const name of ["busbar.db", "new.db"]) {
      execFileSync("mount", ["-o", "remount,ro", folder]);
      await assert.rejects(openStorage({ file: join(folder, name) }), (error: unknown) => error instanceof BusbarError && error.code === "IO" && error.message.includes(name));
      execFileSync("mount", ["-o", "remount,rw", folder]);
      const storage = await openStorage({ file: join(folder, name), onFinding: ({ message }) => assert.fail(message) });
      const { last } = storage.journal.bounds();
      assert.equal(last, name === "busbar.db" ? messages : 0);
      assert.equal(await storage.journal.append([journalMessage()]), last + 1);
      await storage.close();
    }
  } finally {
    execFileSync("umount", [folder]);
  }
});
