import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import * as v from "valibot";
import { BusbarError, definePlugin, JournalPort, StorePort, type Bus, type Journal, type Store } from "@busbar/core";
import { fakeClock, readAll, testPlugin, until, type TestGateway, type TestPluginOptions } from "@busbar/core/testkit";
import plugin, { config } from "./mod.ts";
import { blocksOfPage } from "./journal-pages.ts";
import { PageReader } from "./page-reader.ts";
import { temporaryFolder } from "./temporary-storage.ts";

interface Running {
  readonly gateway: TestGateway;
  readonly bus: Bus;
  readonly journal: Journal;
  readonly store: Store;
}

/** Starts a gateway with the plugin and one that holds its ports. */
async function start(context: TestContext, cwd: string, section: unknown = {}, options: TestPluginOptions = {}): Promise<Running> {
  let held: { journal: Journal; store: Store; bus: Bus } | undefined;
  const holder = definePlugin({
    name: "holder",
    description: "Holds the ports for the test",
    config: v.strictObject({}),
    needs: { journal: JournalPort, store: StorePort },
    setup(ctx) {
      held = { journal: ctx.needs.journal, store: ctx.needs.store, bus: ctx.bus };
    },
  });
  const gateway = await testPlugin(plugin, section, { cwd, ...options, plugins: { plant: [holder, {}] } });
  context.after(() => gateway.stop());
  return { gateway, ...held! };
}

/** Resolves once `holds` does; looks again after whatever else is ready to run. Fails after 10 s. */
test("plugin stores what is published and delivered, and a later start has it", async (context) => {
  const cwd = temporaryFolder(context);
  const now = Date.now();
  const first = await start(context, cwd);
  first.bus.publish({ type: "status", from: "plc-101", timestamp: now, payload: { values: [{ tag: "temperature", value: 42.5, unit: "°C" }] } });
  first.bus.publish({ type: "event", from: "plc-101/door", payload: { open: true } });
  const { offset } = await first.bus.deliver({ type: "status", from: "plc-102", qos: 1, retain: true, timestamp: now + 1000, payload: { speed: 7 } });
  assert.deepEqual((await first.store.devices({ limit: 10 })).map(({ id, values }) => [id, Object.fromEntries(Object.entries(values).map(([tag, { received, ...rest }]) => [tag, { ...rest, ...(Number.isInteger(received) ? {} : { received }) }]))]), [
    ["plc-101", { temperature: { value: 42.5, unit: "°C", quality: "good", timestamp: now } }],
    ["plc-102", { speed: { value: 7, quality: "good", timestamp: now + 1000 } }],
  ]);
  const { epoch } = first.journal;
  assert.equal(first.gateway.metric("busbar_storage_journal_appended_total"), first.journal.bounds().last);
  assert.ok(first.gateway.metric("busbar_storage_commit_seconds_sum") > 0 && first.gateway.metric("busbar_storage_commit_seconds_count") > 0);
  await first.gateway.stop();
  assert.ok(existsSync(join(cwd, "data", "busbar.db")));

  const second = await start(context, cwd);
  assert.equal(second.journal.epoch, epoch);
  const { entries } = await second.store.messages({ topic: "status/plc-102", limit: 10 });
  assert.deepEqual(entries.map((entry) => [entry.offset, entry.message.payload]), [[offset, { speed: 7 }]]);
  assert.deepEqual((await second.store.series({ device: "plc-101", tag: "temperature", since: 0, until: now + 1, points: 10 })), { points: [{ time: now, value: 42.5 }], unit: "°C" });
  const retained: unknown[] = [];
  second.bus.subscribe("status/#", (message) => void retained.push(message.payload), { retained: true });
  await until("the retained value comes", () => retained.length > 0);
  assert.deepEqual(retained, [{ speed: 7 }]);
});

test("plugin stores the readings of the patterns in its config, each message once", async (context) => {
  const { gateway, bus, store } = await start(context, temporaryFolder(context), { readings: ["status/plc/#", "status/#", "telemetry/+"] });
  bus.publish({ type: "status", from: "plc", payload: { a: 1 } });
  bus.publish({ type: "telemetry", from: "car", payload: { b: 2 } });
  bus.publish({ type: "other", from: "ship", payload: { c: 3 } });
  bus.publish({ type: "event", from: "ship/presence", retain: true, payload: { presence: "online", lastSeen: 1_750_000_000_000 } });
  assert.deepEqual((await store.devices({ limit: 10 })).map(({ id, values }) => [id, Object.keys(values)]), [["car", ["b"]], ["plc", ["a"]], ["ship", []]]);
  assert.equal(gateway.metric("busbar_storage_readings_stored_total"), 2);
});

test("plugin writes readings by time and removes what is too old by its clock", async (context) => {
  const clock = fakeClock();
  const { gateway, bus, journal } = await start(context, temporaryFolder(context), { journal: { maxAge: "1h" }, series: { maxAge: "2h" }, flushInterval: "1s", retentionInterval: "1m" }, { clock });
  bus.publish({ type: "status", from: "plc", payload: { a: 1 } });
  const delivery = bus.deliver({ type: "status", from: "plc", qos: 1, payload: { a: 2 } });
  await clock.advance(10);
  const { offset } = await delivery;
  assert.equal(gateway.metric("busbar_storage_readings_waiting"), 2);
  await clock.advance(1000);
  await until("both readings are stored", () => gateway.metric("busbar_storage_readings_stored_total") === 2);
  await clock.advance(3_500_000);
  assert.equal(journal.bounds().first, 1);
  await until("the storage reads again", async () => {
    await clock.advance(60_000); // a step of retention takes real time on its thread, so one jump would pass over the later ones
    return journal.bounds().first > offset;
  });
});

test("plugin rolls up what is over by its clock, and keeps that when the values are too old", async (context) => {
  const clock = fakeClock();
  const { gateway, bus, store } = await start(context, temporaryFolder(context), { series: { maxAge: "1h", rollupAge: "1d" }, flushInterval: "1s", retentionInterval: "1m" }, { clock });
  const since = clock.now() - (clock.now() % 300_000);
  bus.publish({ type: "status", from: "plc", timestamp: since, payload: { values: [1, 2, 6].map((value, at) => ({ tag: "a", value, timestamp: since + at * 1000 })) } });
  await clock.advance(1000);
  await until("they are stored", () => gateway.metric("busbar_storage_readings_stored_total") === 3);
  assert.equal(gateway.metric("busbar_storage_readings_rolled_total"), 0);
  await clock.advance(300_000 + 60_000);
  await until("they are rolled up", async () => {
    await clock.advance(60_000);
    return gateway.metric("busbar_storage_readings_rolled_total") > 0;
  });
  await clock.advance(3_700_000);
  const query = { device: "plc", tag: "a", since, until: since + 300_000 };
  await until("the values are gone", async () => {
    await clock.advance(60_000);
    return (await store.readings({ ...query, limit: 10 })).readings.length === 0;
  });
  assert.deepEqual((await store.aggregate({ ...query, edges: [since, since + 300_000], aggregates: ["mean"] })).buckets, [{ start: since, count: 3, good: 1, values: { mean: 3 } }]);
  assert.deepEqual((await store.series({ ...query, points: 10 })).points, [{ time: since, value: 1 }, { time: since + 2000, value: 6 }], "the extremes are left");
});

test("plugin whose database thread dies is started anew and goes on with what was acknowledged", async (context) => {
  const { gateway, bus, journal, store } = await start(context, temporaryFolder(context));
  const before = await bus.deliver({ type: "event", from: "plc", qos: 1, payload: "before" });
  bus.publish({ type: "status", from: "plc", payload: { t: 1 } });
  await assert.rejects(store.series({ device: "plc", tag: "t", since: {} as never, until: 1, points: 1 }), /its thread ended/); // what the type checker keeps out brings the thread down
  await until("it runs again", () => gateway.status().restarts === 1 && gateway.status().state === "running");
  const after = await bus.deliver({ type: "event", from: "plc", qos: 1, payload: "after" });
  assert.ok(after.offset > before.offset);
  assert.deepEqual((await readAll(journal, { after: before.offset - 1, pattern: "event/plc" })).map((entry) => entry.message.payload), ["before", "after"]);
});

test("plugin whose file is damaged starts all the same, and says what is lost", async (context) => {
  const cwd = temporaryFolder(context);
  const first = await start(context, cwd);
  for (let at = 0; at < 150; at++) await first.bus.deliver({ type: "event", from: "plc", qos: 1, payload: { at, filler: "x".repeat(1500) } });
  const { epoch } = first.journal;
  const { last } = first.journal.bounds();
  await first.gateway.stop();
  const file = join(cwd, "data", "busbar.db");
  const bytes = readFileSync(file);
  const reader = new PageReader(file);
  let spoiled = 0;
  for (let page = 2; page <= reader.count; page++) {
    for (const block of blocksOfPage((number) => reader.page(number), page, epoch)) {
      if (block.first > 30 || block.last < 30) continue;
      bytes.fill(0xa5, (page - 1) * 4096, page * 4096); // every page on which a copy of offset 30 begins
      spoiled++;
    }
  }
  reader.close();
  assert.ok(spoiled > 0);
  writeFileSync(file, bytes);

  const { gateway, bus, journal } = await start(context, cwd);
  const readAllOf = async (): Promise<number> => {
    let count = 0;
    for (let after = journal.bounds().first - 1; after < last; ) {
      try {
        const page = await journal.read({ after, limit: 1000 });
        count += page.entries.filter(({ offset }) => offset <= last).length;
        after = page.until;
      } catch (error) {
        if (!(error instanceof BusbarError) || error.resumeAfter === undefined) throw error;
        after = error.resumeAfter;
      }
    }
    return count;
  };
  assert.equal(journal.epoch, epoch);
  const count = await readAllOf();
  assert.ok(count > 0 && count < last, `${count} of ${last}`);
  assert.equal(gateway.metric('busbar_storage_lost_total{reason="damaged-file"}'), last - count);
  assert.ok((await bus.deliver({ type: "event", from: "plc", qos: 1, payload: "after" })).offset > last);
});

test("plugin refuses to start on a file that is no database", async (context) => {
  const cwd = temporaryFolder(context);
  await assert.rejects(testPlugin(plugin, { file: join(import.meta.dirname!, "mod.ts") }, { cwd }), /is not an SQLite database/);
});

test("config has a default, limits and a description for every field", () => {
  const parsed = v.parse(config, {});
  assert.deepEqual(parsed, {
    file: "data/busbar.db",
    durability: "full",
    readings: ["status/#"],
    flushInterval: 250,
    queue: 50_000,
    journal: { maxAge: 30 * 86_400_000, size: 4 * 1024 ** 3, maxSize: 8 * 1024 ** 3 },
    series: { maxAge: 30 * 86_400_000, rollupAge: 1825 * 86_400_000, size: 4 * 1024 ** 3, maxSeries: 100_000 },
    retentionInterval: 10_000,
  });
  for (const wrong of [{ files: "x" }, { durability: "off" }, { readings: ["a/#/b"] }, { queue: 0 }, { journal: { size: "8GiB", maxSize: "4GiB" } }, { journal: { maxAge: "0s" } }, { series: { maxSeries: 0 } }, { series: { maxAge: "40d", rollupAge: "30d" } }, { flushInterval: "1h" }]) {
    assert.equal(v.safeParse(config, wrong).success, false, JSON.stringify(wrong));
  }
  const describe = (schema: { readonly entries: Readonly<Record<string, v.GenericSchema>> }): (string | undefined)[] => Object.values(schema.entries).map((field) => v.getDescription(field));
  assert.ok(describe(config).every(Boolean));
});

test("plugin shows how far a reader is behind that is gone, and warns once a day when the journal outgrows its size for it", async (context) => {
  const clock = fakeClock(Date.now());
  const { gateway, bus, journal } = await start(context, temporaryFolder(context), { journal: { size: "1MiB", maxSize: "64MiB" }, retentionInterval: "10s" }, { clock });
  await journal.moveCursor("gone/main", 1);
  await journal.moveCursor("gone/main!alarms", 0);
  const warnings = () => gateway.log.filter(({ message }) => message.includes("larger than its size"));
  const round = async (done: () => boolean): Promise<void> => void (await until("retention has done its part", done, { turn: () => clock.advance(10_000) }));
  await round(() => gateway.metric('busbar_storage_cursor_behind{reader="gone/main"}') === journal.bounds().last);
  assert.equal(warnings().length, 0);
  for (let at = 0; at < 20; at++) await bus.deliver({ type: "status", from: "plc", qos: 1, payload: "x".repeat(100_000) });
  await round(() => warnings().length === 1);
  assert.deepEqual([warnings()[0]!.fields["reader"], warnings()[0]!.fields["behind"]], ["gone/main", journal.bounds().last]);
  const bytes = gateway.metric("busbar_storage_journal_bytes");
  assert.ok(bytes > 2_000_000, `${bytes}`);
  for (let again = 0; again < 20; again++) await clock.advance(10_000);
  assert.equal(warnings().length, 1);
  await clock.advance(86_400_000);
  await round(() => warnings().length === 2);
  await journal.dropCursor("gone/main");
  await journal.dropCursor("gone/main!alarms");
  await round(() => gateway.metric("busbar_storage_journal_bytes") <= 1_048_576 && gateway.metric("busbar_storage_cursor_behind") === 0);
  assert.equal(warnings().length, 2);
});
