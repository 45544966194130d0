import assert from "node:assert/strict";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Envelope, Quality, SeriesAggregate, SeriesBucket, Store } from "@busbar/core";
import { journalMessage } from "@busbar/core/testkit";
import fc from "fast-check";
import { checkpoint, openDatabaseFile, run, usedBytes } from "./database-file.ts";
import { Pack } from "./entry-codec.ts";
import { EntrySeal } from "./entry-seal.ts";
import { seriesMigrations } from "./migrations.ts";
import { levelOf } from "./quality.ts";
import { seriesSchema } from "./schema-version.ts";
import { SeriesFile } from "./series-file.ts";
import { SeriesQuery } from "./series-query.ts";
import type { Storage } from "./storage.ts";
import { temporaryFolder, temporaryStorage } from "./temporary-storage.ts";
import { unpackReadings } from "./unpack-readings.ts";

const start = 1_749_999_900_000; // the start of a span of five minutes, and not of an hour
const minute = 60_000;
const always = { since: 0, until: 8_640_000_000_000_000 };
const aggregates: readonly SeriesAggregate[] = ["mean", "min", "max", "sum", "first", "last", "range", "stddev", "timeMean", "integral"];

interface Point {
  readonly time: number;
  readonly value: number | null;
  readonly quality: Quality;
}

const message = ({ time, value, quality }: Point): Envelope => journalMessage({ from: "d", timestamp: time, payload: { values: [{ tag: "t", value, quality }] } }, time + 20);

async function rollAll(storage: Storage, now: number): Promise<void> {
  storage.queue.flush();
  while ((await storage.roll(now)).more);
}

/** What the answer must be, from the points alone. */
function reference(points: readonly Point[], { edges, quality, now }: { readonly edges: readonly number[]; readonly quality: Quality; readonly now: number }): SeriesBucket[] {
  const last = new Map(points.map((point) => [point.time, point]));
  const sorted = [...last.values()].sort((one, other) => one.time - other.time);
  const counting = sorted.filter((point): point is Point & { value: number } => point.value !== null && levelOf(point.quality) <= levelOf(quality));
  return edges.slice(0, -1).map((from, at) => {
    const to = edges[at + 1]!;
    const all = sorted.filter(({ time }) => time >= from && time < to);
    const inside = counting.filter(({ time }) => time >= from && time < to);
    const values = inside.map(({ value }) => value);
    const sum = values.reduce((one, other) => one + other, 0);
    const mean = sum / values.length;
    const held = counting.findLast(({ time }) => time < from);
    const steps = [...(held ? [{ time: from, value: held.value }] : []), ...inside];
    const until = Math.min(to, Math.max(now, inside.at(-1)?.time ?? from));
    const integral = steps.reduce((area, { time, value }, place) => area + value * (Math.max(steps[place + 1]?.time ?? until, time) - time), 0);
    const span = steps.length === 0 ? 0 : until - steps[0]!.time;
    const or = (value: number | undefined): number | null => (values.length === 0 ? null : value!);
    return {
      start: from,
      count: values.length,
      good: all.length === 0 ? null : all.filter((point) => point.quality === "good").length / all.length,
      values: {
        mean: or(mean), min: or(Math.min(...values)), max: or(Math.max(...values)), sum: or(sum), first: or(values[0]), last: or(values.at(-1)), range: or(Math.max(...values) - Math.min(...values)),
        stddev: or(Math.sqrt(values.reduce((squares, value) => squares + (value - mean) ** 2, 0) / values.length)),
        timeMean: span > 0 ? integral / span : or(values.at(-1)), integral: span > 0 ? integral / 1000 : null,
      },
    };
  });
}

function assertSame(actual: readonly SeriesBucket[], expected: readonly SeriesBucket[], what: string): void {
  assert.equal(actual.length, expected.length);
  expected.forEach((bucket, at) => {
    const { values, ...rest } = actual[at]!;
    const { values: wanted, ...others } = bucket;
    assert.deepEqual(rest, others, what);
    for (const [name, value] of Object.entries(wanted) as [string, number | null][]) {
      const got = values[name as SeriesAggregate];
      const close = value === null || got === null || got === undefined ? got === value : Math.abs(got - value) <= 1e-6 * Math.max(1, Math.abs(value));
      assert.ok(close, `${what}: ${name} of bucket ${at} is ${got}, not ${value}`);
    }
  });
}

const edgesOf = (from: number, width: number, count: number): number[] => Array.from({ length: count + 1 }, (_, at) => from + at * width);

const quality = fc.constantFrom<Quality>("good", "good", "good", "uncertain", "bad");
const points = fc.array(
  fc.record({ time: fc.integer({ min: 0, max: 4 * 60 * minute / 1000 }).map((second) => start + second * 1000), value: fc.option(fc.integer({ min: -1000, max: 1000 }), { freq: 8 }), quality }).map((point): Point => (point.value === null && point.quality === "good" ? { ...point, value: 0 } : point)),
  { minLength: 1, maxLength: 120 },
);
const step = fc.oneof(
  { weight: 4, arbitrary: points.map((batch) => ({ kind: "store" as const, batch })) },
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 5 * 60 }).map((minutes) => ({ kind: "roll" as const, now: start + minutes * minute })) },
  { weight: 1, arbitrary: fc.constant({ kind: "restart" as const }) },
);

/** The file of series itself, on this thread: a property looks at many of them. */
async function openFile(path: string): Promise<SeriesFile> {
  const mask = { sensitive: new EntrySeal(undefined).sensitive, readings: ["status/#"] };
  return (await SeriesFile.open(path, { durability: "normal", cacheKiB: 1024, maxSeries: 100, mask, now: start })).series;
}

test("aggregate() from rollups is what the points alone give, whatever came late, twice or before a restart", async (context) => {
  const folder = temporaryFolder(context);
  let count = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), async (steps) => {
      const path = join(folder, `run-${count++}.db`);
      let file = await openFile(path);
      try {
        const stored: Point[] = [];
        for (const action of steps) {
          if (action.kind === "store") {
            const pack = new Pack();
            for (const point of action.batch) pack.add(message(point));
            file.ingest(Buffer.from(pack.buffer, 0, pack.length));
            stored.push(...action.batch);
          } else if (action.kind === "roll") {
            while (file.roll(action.now).more);
          } else {
            file.close();
            file = await openFile(path);
          }
        }
        const now = start + 200 * minute;
        const query = new SeriesQuery(file.database, file.statuses);
        for (const worst of ["good", "uncertain", "bad"] as const) {
          for (const edges of [edgesOf(start, 5 * minute, 50), edgesOf(start - (start % (60 * minute)), 60 * minute, 6), edgesOf(start + 1000, 7 * minute, 30), edgesOf(start - 10 * minute, 30 * minute, 9)]) {
            const { buckets } = await query.aggregate({ device: "d", tag: "t", edges, aggregates, quality: worst, now }, async () => {});
            assertSame(buckets, reference(stored, { edges, quality: worst, now }), `${worst}, buckets of ${(edges[1]! - edges[0]!) / minute} minutes`);
          }
        }
      } finally {
        file.close();
      }
    }),
    { numRuns: Number(process.env["BUSBAR_ROLLUP_RUNS"] ?? 40) },
  );
});

test("rollups stand for what was committed when the process dies at any moment", async (context) => {
  const folder = temporaryFolder(context);
  const path = join(folder, "live.db");
  const file = await openFile(path);
  context.after(() => file.close());
  const stored: Point[] = [];
  for (let round = 0; round < 30; round++) {
    const batch = Array.from({ length: 200 }, (_, at): Point => ({ time: start + ((round * 7919 + at * 613) % 14_400) * 1000, value: round * at, quality: at % 9 === 0 ? "bad" : "good" }));
    const pack = new Pack();
    for (const point of batch) pack.add(message(point));
    file.ingest(Buffer.from(pack.buffer, 0, pack.length));
    stored.push(...batch);
    file.roll(start + round * 10 * minute);
    if (round % 10 !== 9) continue;
    const copy = join(folder, `killed-${round}.db`);
    for (const end of ["", "-wal"]) copyFileSync(path + end, copy + end);
    const killed = await openFile(copy);
    try {
      const edges = edgesOf(start, 30 * minute, 8);
      const { buckets } = await new SeriesQuery(killed.database, killed.statuses).aggregate({ device: "d", tag: "t", edges, aggregates, quality: "good", now: edges.at(-1)! }, async () => {});
      assertSame(buckets, reference(stored, { edges, quality: "good", now: edges.at(-1)! }), `killed in round ${round}`);
    } finally {
      killed.close();
    }
  }
});

test("a file from before there were rollups is taken over as it is, and rolled up afterwards", async (context) => {
  const path = join(temporaryFolder(context), "old.db");
  const old = await openDatabaseFile(path, { ...seriesSchema, version: 1 }, async () => ({ "0001-series": seriesMigrations["0001-series"]! }), { durability: "normal", cacheKiB: 1024 });
  run(old, "insert into series (id, device, tag, unit, quality, time, kind, number) values (7, 'd', 't', 'bar', 'uncertain', 1749999899999 + 7200000, 0, 5)");
  run(old, "insert into device values ('d', 5)");
  run(old, `insert into point (series, time, value) with recursive n(x) as (select 0 union all select x + 1 from n where x < 7199) select 7, ${start} + x * 1000, x % 100 from n`);
  checkpoint(old, "truncate");
  const pages = usedBytes(old);
  old.close();
  const file = await openFile(path);
  context.after(() => file.close());
  assert.ok(usedBytes(file.database) - pages < 100_000, "no point is written again");
  const query = new SeriesQuery(file.database, file.statuses);
  const stored = Array.from({ length: 7200 }, (_, at): Point => ({ time: start + at * 1000, value: at % 100, quality: "good" }));
  const edges = edgesOf(start, 15 * minute, 8);
  const ask = async (): Promise<readonly SeriesBucket[]> => (await query.aggregate({ device: "d", tag: "t", edges, aggregates, quality: "good", now: edges.at(-1)! }, async () => {})).buckets;
  const wanted = reference(stored, { edges, quality: "good", now: edges.at(-1)! });
  assertSame(await ask(), wanted, "before it is rolled up");
  assert.deepEqual(unpackReadings(query.readings({ device: "d", tag: "t", since: start, until: start + 1, limit: 5 })), { unit: "bar", readings: [{ time: start, value: 0, quality: "good" }] });
  let steps = 0;
  while (file.roll(start + 150 * minute).more) steps++;
  assert.ok(steps < 5);
  assert.equal(file.database.prepare("select count(*) as count from rollup where span = 0").get()!["count"], 24);
  assertSame(await ask(), wanted, "afterwards");
  const late = { time: start + 500, value: 1e6, quality: "good" } as const;
  const pack = new Pack();
  pack.add(message(late));
  file.ingest(Buffer.from(pack.buffer, 0, pack.length));
  assertSame(await ask(), reference([...stored, late], { edges, quality: "good", now: edges.at(-1)! }), "with a late one");
});

test("roll() leaves rollups that answer for points that are gone, and late points before these are dropped", async (context) => {
  const dropped: Record<string, number> = {};
  const storage = await temporaryStorage(context, { queue: { onDropped: (reason, count) => (dropped[reason] = (dropped[reason] ?? 0) + count) } });
  const stored = Array.from({ length: 7200 }, (_, at): Point => ({ time: start + at * 1000, value: at % 50, quality: at % 10 === 0 ? "uncertain" : "good" }));
  for (const point of stored) storage.queue.add(message(point));
  const edges = edgesOf(start, 10 * minute, 12);
  const ask = async (): Promise<readonly SeriesBucket[]> => (await storage.store.aggregate({ device: "d", tag: "t", edges, aggregates, quality: "uncertain", now: edges.at(-1)! })).buckets;
  const before = await ask();
  assertSame(before, reference(stored, { edges, quality: "uncertain", now: edges.at(-1)! }), "points alone");
  const limits = { journal: { before: 0, size: 1e15, maxSize: 1e15 }, series: { before: start + 90 * minute, size: 1e15 } };
  while ((await storage.retain(limits)).more);
  assert.equal((await storage.store.readings({ device: "d", tag: "t", ...always, limit: 1 })).readings[0]!.time, start + 90 * minute);
  assertSame(await ask(), before, "rollups");
  storage.queue.add(message({ time: start, value: 1e6, quality: "good" }));
  assertSame(await ask(), before, "after a late one");
  assert.deepEqual(dropped, { "too-old": 1 });
  const { points: line } = await storage.store.series({ device: "d", tag: "t", ...always, points: 1000 });
  assert.equal(line[0]!.time, start, "the line begins where the rollups do");
  const percentiles = await storage.store.aggregate({ device: "d", tag: "t", edges, aggregates: ["median", "p90", "sum"] });
  assert.deepEqual(percentiles.buckets.map(({ values }) => values.median === null), edges.slice(0, -1).map((edge) => edge < start + 90 * minute), "a percentile needs the points");
  assert.deepEqual(percentiles.buckets.map(({ values }) => values.sum), before.map(({ values }) => values.sum));
  assert.equal(percentiles.buckets.at(-1)!.values.p90!.toFixed(6), "44.100000");
  while ((await storage.retain({ ...limits, series: { before: 0, rollupsBefore: start + 95 * minute, size: 1e15 } })).more);
  assert.equal((await ask())[0]!.count, 0, "rollups go too");
});

test("series() of years takes the extremes from rollups", async (context) => {
  const storage = await temporaryStorage(context, { queue: { limit: 1e6 } });
  const count = 230_000;
  const spikes = new Map([[1234, 900], [150_000, -900]]);
  for (let at = 0; at < count; at += 1000) {
    const values = Array.from({ length: 1000 }, (_, place) => ({ tag: "t", value: spikes.get(at + place) ?? Math.sin(at + place), timestamp: start + (at + place) * minute }));
    storage.queue.add(journalMessage({ from: "d", timestamp: start, payload: { values } }));
  }
  await rollAll(storage, start + count * minute + 2 * 60 * minute);
  const { points: line } = await storage.store.series({ device: "d", tag: "t", ...always, points: 300 });
  assert.equal(line.length, 300);
  assert.deepEqual([line[0]!.time, line.at(-1)!.time], [start, start + (count - 1) * minute]);
  for (const [place, value] of spikes) assert.ok(line.some((point) => point.time === start + place * minute && point.value === value), `spike at ${place}`);
});

test("aggregate() stops when its signal says so, and lets others through meanwhile", async (context) => {
  const storage = await temporaryStorage(context, { queue: { limit: 1e6 } });
  for (let at = 0; at < 100_000; at += 1000) storage.queue.add(journalMessage({ from: "d", timestamp: start, payload: { values: Array.from({ length: 1000 }, (_, place) => ({ tag: "t", value: at, timestamp: start + at + place })) } }));
  const query = { device: "d", tag: "t", edges: edgesOf(start + 1, 1000, 100), aggregates: ["median"] as const };
  const stop = new AbortController();
  const order: string[] = [];
  const long = storage.store.aggregate({ ...query, signal: stop.signal }).finally(() => order.push("long"));
  const device = storage.store.device("d").finally(() => order.push("device"));
  await device;
  assert.deepEqual(order, ["device"]);
  stop.abort(new Error("enough"));
  await assert.rejects(long, /enough/);
  await assert.rejects(storage.store.aggregate({ ...query, signal: stop.signal }), /enough/);
  assert.equal((await storage.store.aggregate(query)).buckets.length, 100);
  const many = Array.from({ length: 70 }, () => storage.store.aggregate(query).then(() => "answered", ({ code }: { code: string }) => code));
  const outcomes = await Promise.all(many);
  assert.deepEqual([outcomes.filter((one) => one === "answered").length, outcomes.filter((one) => one === "OVERLOAD").length], [64, 6]);
});

test("aggregate() refuses edges and aggregates that are none", async (context) => {
  const { store } = await temporaryStorage(context);
  const ask = (edges: readonly number[], names: readonly string[] = ["mean"]): ReturnType<Store["aggregate"]> => store.aggregate({ device: "d", tag: "t", edges, aggregates: names as SeriesAggregate[] });
  for (const edges of [[], [1], [2, 1], [1, 1], [-1, 1], [0.5, 1], edgesOf(0, 1, 10_001)]) await assert.rejects(ask(edges), RangeError, String(edges.slice(0, 3)));
  for (const name of ["avg", "p101", "p", "px", "p1e1", "__proto__"]) await assert.rejects(ask([0, 1], [name]), RangeError, name);
  assert.deepEqual((await ask([0, 1, 2], ["p99.9", "mean", "integral"])).buckets, [0, 1].map((from) => ({ start: from, count: 0, good: null, values: { "p99.9": null, mean: null, integral: null } })));
});

test("readings() gives both times, quality and code, a page at a time", async (context) => {
  const storage = await temporaryStorage(context);
  const values = [
    { tag: "t", value: 1, timestamp: start + 1 },
    { tag: "t", value: null, quality: "bad", code: "BadNoCommunication", timestamp: start + 2, unit: "bar" },
    { tag: "t", value: true, quality: "uncertain", timestamp: start + 3 },
    { tag: "t", value: 4, code: "GoodClamped", timestamp: start + 40_000, unit: "bar" },
  ];
  storage.queue.add(journalMessage({ from: "d", timestamp: start, payload: { values } }, start + 30));
  const ask = (query: object = {}): ReturnType<Store["readings"]> => storage.store.readings({ device: "d", tag: "t", ...always, limit: 10, ...query });
  const received = start + 30;
  assert.deepEqual(await ask(), {
    unit: "bar",
    readings: [
      { time: start + 1, received, value: 1, quality: "good" },
      { time: start + 2, received, value: null, quality: "bad", code: "BadNoCommunication" },
      { time: start + 3, received, value: 1, quality: "uncertain" },
      { time: start + 40_000, received, value: 4, quality: "good", code: "GoodClamped" },
    ],
  });
  const first = await ask({ limit: 2, quality: "uncertain" });
  assert.deepEqual([first.readings.map(({ value }) => value), first.next], [[1], start + 3]);
  assert.deepEqual((await ask({ since: first.next, quality: "uncertain" })).readings.map(({ value }) => value), [1, 4]);
  assert.deepEqual(await ask({ tag: "none" }), { readings: [] });
  assert.deepEqual((await storage.store.device("d"))!.values["t"], { value: 4, unit: "bar", quality: "good", code: "GoodClamped", timestamp: start + 40_000, received });
  storage.queue.add(journalMessage({ from: "d", timestamp: start, payload: { values: [{ tag: "t", value: 99, timestamp: start + 39_999 }] } }, start + 31));
  assert.equal((await storage.store.device("d"))!.values["t"]!.value, 4, "an older reading of a newer message is only a point");
  assert.equal((await ask()).readings.length, 5);
});
