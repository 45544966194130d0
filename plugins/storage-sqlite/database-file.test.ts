import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { sql, type Kysely } from "kysely";
import { BusbarError } from "@busbar/core";
import { journalMessage, readAll } from "@busbar/core/testkit";
import { Connection } from "./connection.ts";
import { openDatabaseFile } from "./database-file.ts";
import { journalMigrations, migrate, type Migrations } from "./migrations.ts";
import { journalSchema } from "./schema-version.ts";
import { openStorage } from "./storage.ts";
import { StorageFault } from "./storage-fault.ts";
import { spawnProgram, temporaryFolder } from "./temporary-storage.ts";

const options = { durability: "full", cacheKiB: 1024 } as const;

/** Makes both files with some entries and readings. */
async function fill(file: string): Promise<void> {
  const storage = await openStorage({ file });
  await storage.journal.append(Array.from({ length: 500 }, (_, at) => journalMessage({ payload: { temperature: at, filler: "x".repeat(200) } })));
  for (let at = 0; at < 5000; at++) storage.queue.add(journalMessage({ timestamp: 1_750_000_000_000 + at, payload: { temperature: at } }));
  await storage.close();
}

const hash = (folder: string): Record<string, string> => Object.fromEntries(readdirSync(folder).sort().map((name) => [name, createHash("sha256").update(readFileSync(join(folder, name))).digest("hex")]));

const broken: Readonly<Record<string, { readonly name: string; readonly spoil: (file: string) => void; readonly says: RegExp }>> = {
  "a text file": { name: "busbar.db", spoil: (file) => writeFileSync(file, "this is no database, but somebody's shopping list\n".repeat(100)), says: /not an SQLite database/ },
  "a short file": { name: "busbar.db", spoil: (file) => writeFileSync(file, "SQLite"), says: /not an SQLite database/ },
  "a newer journal": { name: "busbar.db", spoil: (file) => change(file, "pragma user_version = 99"), says: /schema version is 99, this program knows up to 3/ },
  "newer series": { name: "busbar-series.db", spoil: (file) => change(file, "pragma user_version = 7"), says: /schema version is 7/ },
  "another program's database": { name: "busbar.db", spoil: (file) => change(file, "pragma application_id = 1; create table notes (text)"), says: /another program's/ },
};

function change(file: string, text: string): void {
  const database = new DatabaseSync(file);
  database.exec("pragma journal_mode = delete");
  database.exec(text);
  database.exec("pragma journal_mode = wal");
  database.close();
}

for (const [title, { name, spoil, says }] of Object.entries(broken)) {
  test(`openStorage() refuses ${title} and leaves everything as it was`, async (context) => {
    const folder = temporaryFolder(context);
    await fill(join(folder, "busbar.db"));
    spoil(join(folder, name));
    const before = hash(folder);
    for (let attempt = 0; attempt < 2; attempt++) {
      await assert.rejects(openStorage({ file: join(folder, "busbar.db") }), (error: unknown) => error instanceof BusbarError && error.code === "IO" && !error.retryable && says.test(error.message) && error.message.includes(name));
    }
    assert.deepEqual(hash(folder), before);
  });
}

test("openStorage() makes folder and files that only their owner may read", async (context) => {
  const file = join(temporaryFolder(context), "deep", "er", "busbar.db");
  const storage = await openStorage({ file });
  await storage.journal.append([journalMessage()]);
  for (const name of readdirSync(join(file, ".."))) assert.equal(statSync(join(file, "..", name)).mode & 0o777, 0o600, name);
  await storage.close();
  assert.deepEqual(readdirSync(join(file, "..")).sort(), ["busbar-series.db", "busbar.db", "busbar.db-ack"]);
});

test("openStorage() says so when the folder cannot be made", async (context) => {
  const folder = temporaryFolder(context);
  writeFileSync(join(folder, "file"), "");
  await assert.rejects(openStorage({ file: join(folder, "file", "busbar.db") }), (error: unknown) => error instanceof BusbarError && error.code === "IO" && /Cannot make the folder/.test(error.message));
  mkdirSync(join(folder, "busbar.db"));
  await assert.rejects(openStorage({ file: join(folder, "busbar.db") }), (error: unknown) => error instanceof BusbarError && error.code === "IO");
});

test("openStorage() refuses a file that this or another process has open", async (context) => {
  const file = join(temporaryFolder(context), "busbar.db");
  const child = spawnProgram("append-program.ts", [file, "1"]);
  await once(child.stdout!, "data");
  await assert.rejects(openStorage({ file }), (error: unknown) => error instanceof BusbarError && error.code === "UNAVAILABLE" && /another process has it open/.test(error.message));
  child.kill("SIGKILL");
  child.stdout!.resume();
  await once(child, "close");
  const storage = await openStorage({ file });
  assert.ok(storage.journal.bounds().last >= 1);
  await assert.rejects(openStorage({ file: join(file, "..", ".", "busbar.db") }), /this process has it open/);
  await storage.close();
  await (await openStorage({ file })).close();
});

test("change() after a lock that another process has in the meantime rejects UNAVAILABLE until it is gone, and then goes on", async (context) => {
  const file = join(temporaryFolder(context), "busbar.db");
  await fill(file);
  const database = await openDatabaseFile(file, journalSchema, async () => journalMigrations, options);
  const connection = new Connection(database, { path: file, ...options, prepare: (opened) => opened.prepare("insert into cursor (name, offset) values (?, 1)") });
  const insert = (name: string): void => connection.change("move a cursor", (statement) => void statement.run(name));
  insert("one");
  connection.close(); // as after an error of the medium: the lock is gone until the next use
  const other = spawnProgram("append-program.ts", [file, "1"]);
  try {
    await once(other.stdout!, "data");
    for (let again = 0; again < 3; again++) assert.throws(() => insert("two"), (error: unknown) => error instanceof StorageFault && error.code === "UNAVAILABLE" && error.retryable);
  } finally {
    other.kill("SIGKILL");
    other.stdout!.resume();
    await once(other, "close");
  }
  insert("two");
  assert.deepEqual(connection.database.prepare("select name from cursor order by name").all().map(({ name }) => name), ["one", "two"]);
  connection.close();
});

test("openDatabaseFile() migrates a version forward and keeps what is there", async (context) => {
  const file = join(temporaryFolder(context), "busbar.db");
  await fill(file);
  const next: Migrations = {
    ...journalMigrations,
    "0004-note": {
      async up(db: Kysely<unknown>): Promise<void> {
        await db.schema.alterTable("block").addColumn("note", "text").execute();
        await sql`update block set note = 'old'`.execute(db);
      },
    },
  };
  const database = await openDatabaseFile(file, { ...journalSchema, version: journalSchema.version + 1 }, async () => next, options);
  assert.deepEqual({ ...database.prepare("select count(*) as blocks, sum(last - first + 1) as entries, min(note) as note from block").get() }, { blocks: 3, entries: 500, note: "old" });
  database.close();
  assert.equal(readFileSync(file).readInt32BE(60), 4, "the header on disk says the new version");
  await assert.rejects(openStorage({ file }), /schema version is 4, this program knows up to 3/);
});

test("openDatabaseFile() leaves the old version when a migration fails", async (context) => {
  const file = join(temporaryFolder(context), "busbar.db");
  await fill(file);
  const failing: Migrations = {
    ...journalMigrations,
    "0004-half": {
      async up(db: Kysely<unknown>): Promise<void> {
        await sql`drop table block`.execute(db);
        throw new Error("halfway");
      },
    },
  };
  await assert.rejects(openDatabaseFile(file, { ...journalSchema, version: journalSchema.version + 1 }, async () => failing, options), /halfway/);
  assert.equal(existsSync(file + "-wal"), false);
  const storage = await openStorage({ file });
  assert.equal((await readAll(storage.journal, { after: 0 })).length, 500);
  await storage.close();
});

test("migrate() makes the same schema every time", async () => {
  const schemas = [];
  for (let run = 0; run < 2; run++) {
    const database = new DatabaseSync(":memory:");
    await migrate(database, journalSchema, journalMigrations);
    schemas.push(database.prepare("select name, sql from sqlite_schema order by name").all().map((row) => ({ ...row })));
    database.close();
  }
  assert.deepEqual(schemas[0], schemas[1]);
  assert.ok(schemas[0]!.length >= 5);
});
