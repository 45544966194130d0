import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { test } from "node:test";
import { journalMessage, readAll } from "@busbar/core/testkit";
import { checkEntries, fill, open, overwrite, readOn, type Opened } from "./damage-fixture.ts";
import { blocksOfPage } from "./journal-pages.ts";
import { PageReader } from "./page-reader.ts";
import { openStorage } from "./storage.ts";
import { temporaryFolder } from "./temporary-storage.ts";

const spoilers: Readonly<Record<string, { readonly spoil: (file: string) => void; readonly least: number }>> = {
  "a truncated file": { spoil: (file) => truncateSync(file, Math.floor(statSync(file).size / 2)), least: 300 },
  "a file cut within its first page": { spoil: (file) => truncateSync(file, 2000), least: 0 },
  "a first page of garbage": { spoil: (file) => overwrite(file, 0, Buffer.alloc(4096, 0xa5)), least: 800 },
  "a root page of zeros": { spoil: (file) => overwrite(file, 6 * 4096, Buffer.alloc(4096)), least: 780 },
  "leaves of garbage": { spoil: (file) => overwrite(file, 20 * 4096, Buffer.alloc(8192, 0x5a)), least: 640 },
  "nothing but its header": { spoil: (file) => writeFileSync(file, Buffer.concat([readFileSync(file).subarray(0, 4096), Buffer.alloc(statSync(file).size - 4096, 0xa5)])), least: 0 },
};

for (const [title, { spoil, least }] of Object.entries(spoilers)) {
  test(`openStorage() salvages ${title}`, async (context) => {
    const { file, epoch, last } = await fill(context);
    spoil(file);
    const before = readFileSync(file);
    const storage = await open(context, file);
    // what a start does not see, a reader does: the plugin restarts the storage then
    const read = await readOn(storage.journal).catch(() => undefined);
    let now: Opened = storage;
    if (!read) {
      await storage.close();
      now = await open(context, file);
    }
    const after = await readOn(now.journal);
    assert.deepEqual(now.findings.filter(({ reason }) => reason === "damaged-file").length, 1, title);
    const { keptAs, message } = now.findings[0]!;
    if (!read) assert.equal(basename(keptAs!).startsWith("busbar.db.damaged-"), true);
    else assert.deepEqual(readFileSync(keptAs!), before, "the damaged file is kept as it was");
    assert.equal(now.journal.epoch, epoch);
    checkEntries(after, now.journal.bounds());
    assert.ok(after.entries.length >= least, `${after.entries.length} of ${last}: ${message}`);
    assert.equal(await now.journal.append([journalMessage()]), last + 1);
    assert.equal(readdirSync(dirname(file)).some((name) => /\.salvage/.test(name) || name.endsWith("-damaged")), false);
    await now.close();
    assert.deepEqual((await open(context, file)).findings, []);
  });
}

/** Overwrites a page in the database and wherever its log has it. */
function spoilPage(file: string, page: number): void {
  const garbage = Buffer.alloc(4096, 0xa5);
  overwrite(file, (page - 1) * 4096, garbage);
  const log = readFileSync(file + "-wal");
  for (let at = 32; at + 4120 <= log.length; at += 4120) if (log.readUInt32BE(at) === page) overwrite(file + "-wal", at + 24, garbage);
}

test("openStorage() salvages what was found damaged while it was in use", async (context) => {
  const file = join(temporaryFolder(context), "busbar.db");
  const crash = Promise.withResolvers<Error>();
  const first = await openStorage({ file, durability: "normal", onCrash: crash.resolve });
  context.after(() => first.close());
  const { journal } = first;
  for (let at = 0; at < 6500; at++) await journal.append([journalMessage({ payload: "x".repeat(3900) })]); // one leaf each, and more of them than SQLite keeps in memory (in Deno both databases share that)
  assert.equal((await readOn(journal)).entries.length, 6500);
  const reader = new PageReader(file);
  for (let page = 2; page <= reader.count; page++) {
    for (const block of blocksOfPage((number) => reader.page(number), page, journal.epoch)) if (block.last > 5 && block.last < 9) spoilPage(file, page);
  }
  reader.close();
  await assert.rejects(journal.read({ after: 0, limit: 100 }), { code: "IO" });
  assert.match((await crash.promise).message, /damaged/);
  const again = await open(context, file);
  assert.deepEqual(again.findings.map(({ reason }) => reason), ["damaged-file"]);
  const read = await readOn(again.journal);
  assert.equal(read.entries.length + read.lost.reduce((sum, [from, to]) => sum + to - from + 1, 0), again.journal.bounds().last - again.journal.bounds().first + 1);
  assert.ok(read.entries.length > 6400 && read.entries.length < 6500);
});

test("openStorage() keeps retained values and cursors of a salvaged journal", async (context) => {
  const { file } = await fill(context);
  overwrite(file, 0, Buffer.alloc(4096, 1));
  const { journal } = await open(context, file);
  assert.equal(await journal.cursor("reader"), 333);
  assert.deepEqual((await journal.retained()).map((entry) => [entry.offset, entry.message.topic]), [[781, "status/dev-0"], [791, "status/dev-10"]]);
});

test("openStorage() salvages what can be read of the series, or starts new ones", async (context) => {
  for (const [spoil, points] of [
    [(file: string) => overwrite(file, 0, Buffer.alloc(4096, 1)), 40],
    [(file: string) => writeFileSync(file, Buffer.concat([readFileSync(file).subarray(0, 4096), Buffer.alloc(statSync(file).size - 4096, 0xa5)])), 0],
  ] as const) {
    const { file } = await fill(context);
    spoil(file.replace(".db", "-series.db"));
    const storage = await open(context, file);
    assert.deepEqual(storage.findings.map(({ kind, reason }) => [kind, reason]), [["series", "damaged-file"]]);
    assert.equal((await storage.store.series({ device: "dev-7", tag: "temperature", since: 0, until: 2e12, points: 100 })).points.length, points);
    assert.equal((await readAll(storage.journal, { after: 0 })).length, 800);
    storage.queue.add(journalMessage({ from: "dev-7", timestamp: 1_760_000_000_000, payload: { temperature: 5 } }));
    assert.equal((await storage.store.device("dev-7"))!.values["temperature"]!.value, 5);
  }
});

test("openStorage() keeps rollups, codes and both times of salvaged series", async (context) => {
  const file = join(temporaryFolder(context), "busbar.db");
  const start = 1_749_999_600_000;
  const hour = 3_600_000;
  const ask = async ({ store }: Opened) => (await store.aggregate({ device: "d", tag: "t", edges: [start, start + hour, start + 2 * hour, start + 3 * hour], aggregates: ["sum", "max"], quality: "good" })).buckets;
  const first = await open(context, file);
  for (let at = 0; at < 1080; at++) first.queue.add(journalMessage({ from: "d", timestamp: start, payload: { values: [{ tag: "t", value: at, timestamp: start + at * 10_000, ...(at % 100 === 7 ? { quality: "bad", code: "BadNoData" } : {}) }] } }, start + 20_000_000));
  while ((await first.retain({ journal: { before: 0, size: 1e15, maxSize: 1e15 }, series: { before: start + 1.5 * hour, size: 1e15 } })).more);
  const before = await ask(first);
  assert.equal(before[0]!.count, 356);
  await first.close();
  overwrite(file.replace(".db", "-series.db"), 0, Buffer.alloc(4096, 1));
  const second = await open(context, file);
  assert.deepEqual(second.findings.map(({ reason }) => reason), ["damaged-file"]);
  assert.deepEqual(await ask(second), before);
  while ((await second.roll(start + 10 * hour)).more);
  assert.deepEqual(await ask(second), before, "rolled up anew");
  const { readings } = await second.store.readings({ device: "d", tag: "t", since: start + 6_070_000, until: start + 6_070_001, limit: 10 });
  assert.deepEqual(readings, [{ time: start + 6_070_000, received: start + 20_000_000, value: 607, quality: "bad", code: "BadNoData" }]);
});

test("openStorage() goes on with a replacement that a crash cut short", async (context) => {
  const { file, epoch } = await fill(context);
  const folder = dirname(file);
  const whole = readFileSync(file);
  for (const [damaged, wal] of [[true, true], [false, true], [false, false]] as const) {
    for (const name of readdirSync(folder)) if (name.includes(".damaged-")) rmSync(join(folder, name));
    writeFileSync(file + ".salvaged-2026-01-01T000000.000Z", whole);
    if (damaged) writeFileSync(file, "half of a database");
    else rmSync(file);
    if (wal) writeFileSync(file + "-wal", "log of the damaged one");
    const storage = await open(context, file);
    assert.deepEqual([storage.journal.epoch, storage.journal.bounds().last], [epoch, 800]);
    await storage.close();
    const kept = readdirSync(folder).filter((name) => name.includes(".damaged-")).sort();
    assert.deepEqual(kept, [...(damaged ? ["busbar.db.damaged-2026-01-01T000000.000Z"] : []), ...(wal ? ["busbar.db.damaged-2026-01-01T000000.000Z-wal"] : [])]);
  }
});

test("openStorage() survives any flipped bytes, and what it then gives is what was written", async (context) => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  let state = seed;
  const below = (limit: number): number => ((state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0) / 2 ** 32) * limit | 0;
  const { file, last } = await fill(context);
  const whole = readFileSync(file);
  const ack = readFileSync(file + "-ack");
  for (let run = 0; run < Number(process.env["BUSBAR_FAULTS_CYCLES"] ?? 6); run++) {
    const copy = join(temporaryFolder(context), "busbar.db");
    const bytes = Buffer.from(whole);
    for (let flips = 1 + below(20); flips > 0; flips--) bytes[100 + below(bytes.length - 100)]! ^= 1 << below(8); // not the header: a foreign or a newer file is refused
    writeFileSync(copy, bytes);
    writeFileSync(copy + "-ack", ack);
    try {
      let storage = await open(context, copy);
      let read = await readOn(storage.journal).catch(() => undefined);
      if (!read) {
        await storage.close();
        storage = await open(context, copy);
        read = await readOn(storage.journal);
      }
      checkEntries(read, storage.journal.bounds());
      assert.equal(await storage.journal.append([journalMessage()]), last + 1);
      await storage.journal.retained();
      await storage.close();
    } catch (error) {
      throw new Error(`it fails with seed ${seed} in run ${run}`, { cause: error });
    }
  }
});
