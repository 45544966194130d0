import assert from "node:assert/strict";
import { test } from "node:test";
import type { DeviceRecord, Draft, Entry, SeriesPoint, Store } from "@busbar/core";
import { journalMessage } from "@busbar/core/testkit";
import { temporaryStorage } from "./temporary-storage.ts";

const start = 1_750_000_000_000;
const status = (from: string, time: number, payload: unknown, received = time + 50) => journalMessage({ from, timestamp: time, payload }, received);
const always = { since: 0, until: 8_640_000_000_000_000 };
const values = (record: DeviceRecord | undefined): unknown => record && Object.fromEntries(Object.entries(record.values).map(([tag, { value }]) => [tag, value]));

async function pages(store: Store, query: Omit<Parameters<Store["messages"]>[0], "cursor">, between: () => Promise<unknown> = async () => {}): Promise<Entry[]> {
  const all: Entry[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await store.messages({ ...query, ...(cursor === undefined ? {} : { cursor }) });
    all.push(...page.entries);
    if (page.next === undefined) return all;
    assert.equal(page.entries.length, query.limit);
    cursor = page.next;
    await between();
  }
}

test("device() has the last value of each tag, whatever its kind, and the last sign of life", async (context) => {
  const { queue, store } = await temporaryStorage(context);
  queue.add(status("plc-1", start, { values: [{ tag: "t", value: 20.5, unit: "°C" }, { tag: "on", value: true }, { tag: "state", value: "run", quality: "uncertain" }], quality: "good" }));
  queue.add(status("plc-1", start + 1000, { t: 21, __proto__x: 1 }));
  queue.add(status("plc-1", start + 500, { t: 99, on: false }, start + 2000)); // late
  assert.deepEqual(await store.device("plc-1"), {
    id: "plc-1",
    lastSeen: start + 2000,
    values: {
      __proto__x: { value: 1, quality: "good", timestamp: start + 1000, received: start + 1050 },
      on: { value: false, quality: "good", timestamp: start + 500, received: start + 2000 },
      state: { value: "run", quality: "uncertain", timestamp: start, received: start + 50 },
      t: { value: 21, quality: "good", timestamp: start + 1000, received: start + 1050 },
    },
  });
  assert.equal(await store.device("plc-2"), undefined);
});

test("devices() pages in order of id", async (context) => {
  const { queue, store } = await temporaryStorage(context, { queue: { batch: 10 } });
  const ids = Array.from({ length: 1203 }, (_, at) => `d-${at % 2 ? "x/" : ""}${String(at * 7919 % 100_000).padStart(5, "0")}`);
  for (const id of ids) queue.add(status(id, start, { id }));
  const found: DeviceRecord[] = [];
  for (let after: string | undefined; ; after = found.at(-1)!.id) {
    const page = await store.devices({ limit: 250, ...(after === undefined ? {} : { after }) });
    if (page.length === 0) break;
    found.push(...page);
  }
  assert.deepEqual(found.map(({ id }) => id), [...ids].sort());
  for (const record of found) assert.deepEqual(values(record), { id: record.id });
  await assert.rejects(store.devices({ limit: 0 }), RangeError);
});

test("presence is a sign of life and no reading", async (context) => {
  const { queue, store } = await temporaryStorage(context);
  const presence = (device: string, payload: unknown, time: number, draft: Partial<Draft> = { from: device + "/presence" }) => queue.add(journalMessage({ type: "event", timestamp: time, payload, retain: true, ...draft }));
  presence("home-7/lamp", { presence: "online", lastSeen: start }, start + 9);
  presence("plc-1", { presence: "offline", lastSeen: start + 5 }, start + 90_000, { from: "gateway", to: "plc-1/presence" });
  presence("plc-1", { presence: "online", lastSeen: start + 3 }, start + 3);
  presence("odd", "online", start + 7);
  assert.deepEqual(await store.devices({ limit: 10 }), [{ id: "home-7/lamp", lastSeen: start, values: {} }, { id: "odd", lastSeen: start + 7, values: {} }, { id: "plc-1", lastSeen: start + 5, values: {} }]);
});

test("series() has numbers and booleans by source time in [since, until), a later value of the same time replaces", async (context) => {
  const { queue, store } = await temporaryStorage(context);
  const order = [5, 1, 3, 2, 4, 0];
  for (const at of order) queue.add(status("plc-1", start + at * 1000, { values: [{ tag: "t", value: at + 0.5, unit: "bar" }, { tag: "on", value: at % 2 === 0 }, { tag: "text", value: "no point" }] }));
  queue.add(status("plc-1", start + 2000, { t: -1 }));
  const ask = async (tag: string, range: Partial<typeof always> = {}, points = 100) => await store.series({ device: "plc-1", tag, ...always, ...range, points });
  const line = (points: readonly SeriesPoint[]) => points.map(({ time, value }) => [(time - start) / 1000, value]);
  const all = await ask("t");
  assert.equal(all.unit, "bar");
  assert.deepEqual(line(all.points), [[0, 0.5], [1, 1.5], [2, -1], [3, 3.5], [4, 4.5], [5, 5.5]]);
  assert.deepEqual(line((await ask("t", { since: start + 1000, until: start + 4000 })).points), [[1, 1.5], [2, -1], [3, 3.5]]);
  assert.deepEqual(line((await ask("on")).points), [[0, 1], [1, 0], [2, 1], [3, 0], [4, 1], [5, 0]]);
  assert.deepEqual((await ask("text")).points, []);
  assert.deepEqual(await ask("never"), { points: [] });
  assert.deepEqual(line((await ask("t", {}, 1)).points), [[5, 5.5]]);
  assert.deepEqual(line((await ask("t", {}, 2)).points), [[0, 0.5], [5, 5.5]]);
  await assert.rejects(ask("t", {}, 0), RangeError);
});

test("series() of more points than it holds at once keeps the first, the last and every extreme", async (context) => {
  const { queue, store } = await temporaryStorage(context, { queue: { batch: 100, limit: 1e6 } });
  const count = 450_000;
  const spikes = new Map([[123_456, 900], [222_222, -900], [400_001, 901]]);
  for (let at = 0; at < count; at += 50) {
    for (let place = at; place < at + 50; place++) queue.add(status("d", start + place, { v: spikes.get(place) ?? Math.sin(place / 5000) }));
    if (queue.size > 20_000) await store.device("d");
  }
  const { points } = await store.series({ device: "d", tag: "v", ...always, points: 500 });
  assert.equal(points.length, 500);
  assert.deepEqual([points[0]!.time, points.at(-1)!.time], [start, start + count - 1]);
  for (const [place, value] of spikes) assert.ok(points.some((point) => point.time === start + place && point.value === value), `spike at ${place}`);
  for (let at = 1; at < points.length; at++) assert.ok(points[at]!.time > points[at - 1]!.time);
});

test("messages() filters by topic and source time and pages stably while messages are appended", async (context) => {
  const { journal, store } = await temporaryStorage(context);
  const add = (count: number) => journal.append(Array.from({ length: count }, (_, at) => journalMessage({ type: at % 2 ? "event" : "status", from: at % 3 ? "a" : "b/c", timestamp: start + at, payload: at })));
  await add(600);
  assert.deepEqual((await pages(store, { limit: 7, topic: "status/b/+", since: start + 100, until: start + 200 })).map((entry) => entry.message.payload), Array.from({ length: 100 }, (_, at) => 100 + at).filter((at) => at % 6 === 0));
  let more = 5;
  const all = await pages(store, { limit: 50, topic: "event/#" }, async () => more-- > 0 && (await add(20)));
  assert.deepEqual(all.map((entry) => entry.offset), Array.from({ length: 700 }, (_, at) => at + 1).filter((offset) => ((offset <= 600 ? offset - 1 : (offset - 601) % 20) % 2) === 1));
  const last = await store.messages({ limit: 10_000 });
  assert.deepEqual([last.entries.length, last.next], [700, undefined]);
  for (const cursor of ["x", "-1", "1e3", "701", ""]) await assert.rejects(store.messages({ limit: 1, cursor }), RangeError, cursor);
  await assert.rejects(store.messages({ limit: 0 }), RangeError);
});

test("messages() goes on at what retention left", async (context) => {
  const { journal, store, retain } = await temporaryStorage(context);
  await journal.append(Array.from({ length: 10 }, () => journalMessage({}, 1000)));
  await journal.append(Array.from({ length: 10 }, () => journalMessage({}, 3000)));
  const page = await store.messages({ limit: 3 });
  await retain({ journal: { before: 2000, size: 1e12, maxSize: 1e12 }, series: { before: 0, size: 1e12 } });
  const rest = await store.messages({ limit: 100, cursor: page.next! });
  assert.deepEqual(rest.entries.map((entry) => entry.offset), [11, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
});

test("retain() removes old points by age and the oldest of all series by size", async (context) => {
  const { queue, store, retain } = await temporaryStorage(context, { queue: { limit: 1e6 } });
  const keep = { before: 0, size: 1e12, maxSize: 1e12 };
  const fill = async () => {
    for (let at = 0; at < 20_000; at++) queue.add(status("d" + (at % 4), start + at * 1000, { a: at, b: -at }));
    await store.device("d0");
  };
  const until = async (series: { before: number; size: number }) => {
    let removed = 0;
    for (;;) {
      const report = await retain({ journal: keep, series });
      removed += report.seriesRemoved;
      if (!report.more) return { removed, bytes: report.seriesBytes };
    }
  };
  const first = async (device: string, tag: string) => (await store.readings({ device, tag, ...always, limit: 1 })).readings[0]?.time;
  await fill();
  const { removed, bytes } = await until({ before: start + 5_199_999, size: 1e12 }); // within the span of five minutes that begins 5,000 s after the start
  assert.equal(removed, 10_000);
  assert.deepEqual(await Promise.all(["d0", "d1", "d3"].map((device) => first(device, "b"))), [start + 5_000_000, start + 5_001_000, start + 5_003_000]);
  const half = await until({ before: 0, size: Math.floor(bytes / 2) });
  assert.ok(half.bytes <= bytes / 2 && half.bytes > bytes / 4, `${half.bytes} of ${bytes}`);
  const oldest = await Promise.all(["d0", "d1", "d2", "d3"].flatMap((device) => ["a", "b"].map(async (tag) => await first(device, tag))));
  assert.ok(Math.max(...oldest.map(Number)) - Math.min(...oldest.map(Number)) < 10_000, "all series begin at about the same time");
  assert.deepEqual(values(await store.device("d3")), { a: 19_999, b: -19_999 });
});

test("retain() of a file that is too large is not led astray by one reading from the future", async (context) => {
  const { queue, store, retain } = await temporaryStorage(context, { queue: { limit: 1e6 } });
  for (let at = 0; at < 20_000; at++) queue.add(status("d", start + at * 1000, { a: at }));
  queue.add(status("wild", start + 1e12, { a: 1 }));
  const report = await retain({ journal: { before: 0, size: 1e12, maxSize: 1e12 }, series: { before: 0, size: 1, now: start + 20_000_000 } });
  assert.ok(report.seriesRemoved > 500 && report.seriesRemoved < 1500, `${report.seriesRemoved} of 20,000 are a twentieth`);
  assert.ok((await store.readings({ device: "d", tag: "a", ...always, limit: 1 })).readings[0]!.time > start);
});

test("queue drops what it has no room for and series beyond their limit, and counts both", async (context) => {
  const dropped: Record<string, number> = {};
  const drop = (reason: string, count: number): void => void (dropped[reason] = (dropped[reason] ?? 0) + count);
  let stored = 0;
  const { queue, store } = await temporaryStorage(context, { maxSeries: 3, queue: { batch: 10, limit: 25, onStored: (count) => (stored += count), onDropped: drop, onLost: drop } });
  for (let at = 0; at < 40; at++) queue.add(status("d", start + at, { t: at }));
  await store.device("d");
  assert.deepEqual([stored, dropped], [25, { "queue-full": 15 }]);
  queue.add(status("e", start, { a: 1, b: 2, c: 3, d: [] }));
  queue.add(status("e", start, "no readings"));
  assert.deepEqual(values(await store.device("e")), { a: 1, b: 2 });
  assert.deepEqual([stored, dropped], [27, { "queue-full": 15, "too-many-series": 1, "unsupported-value": 1, "not-readings": 1 }]);
});

test("queue counts what a full file refuses and reports it", async (context) => {
  const dropped: Record<string, number> = {};
  const drop = (reason: string, count: number): void => void (dropped[reason] = (dropped[reason] ?? 0) + count);
  const errors: unknown[] = [];
  const { queue, store } = await temporaryStorage(context, { seriesLimit: 200_000, queue: { batch: 500, limit: 1e5, onDropped: drop, onLost: drop, onError: (error) => errors.push(error) } });
  for (let at = 0; at < 20_000; at++) queue.add(status("d", start + at, { t: at }));
  const { points } = await store.series({ device: "d", tag: "t", ...always, points: 100_000 });
  assert.ok(points.length >= 4000 && points.length < 20_000, `${points.length}`);
  assert.deepEqual(dropped, { full: 20_000 - points.length });
  assert.equal(errors.length, dropped["full"]! / 500);
});
