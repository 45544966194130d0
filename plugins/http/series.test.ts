import assert from "node:assert/strict";
import { test } from "node:test";
import type { AggregateQuery, SeriesBucket, Store, StoredReading } from "@busbar/core";
import { createFixture, problemIn, type Fixture } from "./app-fixture.ts";

async function report(fixture: Fixture, id: string, value = 1): Promise<void> {
  await fixture.parts.bus.deliver({ type: "status", from: id, payload: { values: [{ tag: "temperature", value, unit: "°C" }] } });
}

/** A store that has these readings of the tags "t" and "=u" of "pump", and notes what it is asked to aggregate. */
function memoryStore(readings: readonly StoredReading[], asked: AggregateQuery[] = []): Store {
  const none = (): never => {
    throw new TypeError("Cannot answer: nothing of it is in this store");
  };
  return {
    messages: none,
    series: none,
    devices: none,
    device: async (id) => (id === "pump" ? { id, lastSeen: 0, values: { t: { value: 1, quality: "good", timestamp: 0 }, "=u": { value: 1, quality: "good", timestamp: 0 } } } : undefined),
    async aggregate(query) {
      asked.push(query);
      const buckets = query.edges.slice(0, -1).map((start, at): SeriesBucket => ({ start, count: at % 2, good: at % 2 ? 1 : null, values: Object.fromEntries(query.aggregates.map((name) => [name, at % 2 ? at : null])) }));
      return { buckets, unit: "bar" };
    },
    async readings({ since, until, limit, signal }) {
      signal?.throwIfAborted();
      const found = readings.filter(({ time }) => time >= since && time < until);
      return { readings: found.slice(0, limit), unit: "°C", ...(found.length > limit ? { next: found[limit]!.time } : {}) };
    },
  };
}

test("GET /api/series gives the points of a tag, by default of the last hour", async () => {
  const fixture = await createFixture();
  await report(fixture, "pump", 1);
  await fixture.clock.advance(3_600_000);
  await report(fixture, "pump", 2);
  const now = fixture.clock.now();
  const points = async (query: string): Promise<any> => (await fixture.call(`/api/series?device=pump&tag=temperature${query}`, { token: "app:status/pump" })).json();
  assert.deepEqual(await points(""), { device: "pump", tag: "temperature", unit: "°C", points: [{ time: now, value: 2 }] });
  assert.equal((await points("&since=0")).points.length, 2);
  for (const query of ["&points=2", "&points=10001", "&device="]) assert.equal((await fixture.call(`/api/series?${query}&tag=t${query.includes("device") ? "" : "&device=pump"}`, { token: "app:#" })).status, 400, query);
  assert.equal((await fixture.call("/api/series?device=pump&tag=t", { token: "app:status/lamp" })).status, 403);
});

test("GET /api/series without a storage plugin is unavailable", async () => {
  const fixture = await createFixture({ storeless: true });
  for (const path of ["series?device=pump&tag=t", "series?device=pump&tag=t&bucket=1m", "series/export?device=pump"]) assert.equal((await problemIn(await fixture.call(`/api/${path}`, { token: "app:#" })))["status"], 503, path);
});

test("GET /api/series with a bucket gives whole buckets, paged", async () => {
  const asked: AggregateQuery[] = [];
  const fixture = await createFixture({ store: memoryStore([], asked) });
  const ask = async (query: string): Promise<any> => (await fixture.call(`/api/series?device=pump&tag=t&${query}`, { token: "app:status/pump" })).json();
  assert.deepEqual(await ask("since=61000&until=200000&bucket=1m&aggregate=mean,p95"), {
    device: "pump", tag: "t", unit: "bar", bucket: "1m",
    buckets: [{ start: 60_000, count: 0, good: null, mean: null, p95: null }, { start: 120_000, count: 1, good: 1, mean: 1, p95: 1 }, { start: 180_000, count: 0, good: null, mean: null, p95: null }],
  });
  const { signal, ...query } = asked[0]!;
  assert.ok(signal instanceof AbortSignal);
  assert.deepEqual(query, { device: "pump", tag: "t", edges: [60_000, 120_000, 180_000, 240_000], aggregates: ["mean", "p95"], quality: "uncertain", now: fixture.clock.now() });
  const page = await ask("since=0&until=600000&bucket=1m&limit=4&quality=good&fill=previous");
  assert.deepEqual([page.buckets.map(({ start, mean, max }: any) => [start, mean, max]), page.next], [[[0, null, null], [60_000, 1, 1], [120_000, 1, 1], [180_000, 3, 3]], 240_000]);
  assert.equal(asked[1]!.quality, "good");
  const last = await ask(`since=${page.next}&until=300000&bucket=1m&fill=none`);
  assert.deepEqual([last.buckets, last.next], [[], undefined]);
  assert.equal((await ask("since=0&until=86400000&points=100&aggregate=max")).bucket, "15m");
  assert.equal((await ask("since=0&until=90000000&aggregate=max&bucket=1d&timezone=%2B05:30")).buckets[1].start, 18.5 * 3_600_000);
  assert.deepEqual(await ask("since=5&until=5&bucket=1m"), { device: "pump", tag: "t", bucket: "1m", buckets: [] });
  const forbidden = await fixture.call("/api/series?device=pump&tag=t&bucket=1m", { token: "app:status/lamp" });
  assert.equal(forbidden.status, 403);
});

test("GET /api/series refuses what makes no sense of buckets", async () => {
  const fixture = await createFixture({ store: memoryStore([]) });
  for (const query of ["bucket=0m", "bucket=5", "bucket=1x", "bucket=-1m", "bucket=1000000s", "aggregate=avg", "aggregate=mean,,max", "aggregate=p101", "bucket=1m&limit=10001", "bucket=1m&timezone=Mars/Base", "bucket=1m&fill=zero", "quality=so-so", "fill=null", "limit=5", "timezone=UTC"]) {
    const { status, detail } = await problemIn(await fixture.call(`/api/series?device=pump&tag=t&${query}`, { token: "app:#" }));
    assert.equal(status, 400, query);
    assert.match(String(detail), /^query\.(bucket|aggregate|limit|timezone|fill|quality)/, query);
  }
});

const readings: readonly StoredReading[] = [
  { time: 1000, received: 1020, value: -1.5, quality: "good" },
  { time: 2000, value: null, quality: "bad", code: '@Bad "no", link' },
];

test("GET /api/series/export writes CSV that no spreadsheet takes for a formula, and JSON lines", async () => {
  const fixture = await createFixture({ store: memoryStore(readings) });
  const get = (query: string, token = "app:status/pump"): Promise<Response> => fixture.call(`/api/series/export?device=pump&since=0&until=9000${query}`, { token });
  const csv = await get("");
  assert.deepEqual([csv.headers.get("content-type"), csv.headers.get("content-disposition"), csv.headers.get("cache-control")], ["text/csv; charset=utf-8; header=present", 'attachment; filename="pump.csv"', "no-store"]);
  const lines = (tag: string): string => `pump,${tag},1000,1020,-1.5,°C,good,\r\npump,${tag},2000,,,°C,bad,"'@Bad ""no"", link"\r\n`;
  assert.equal(await csv.text(), `device,tag,timestamp,received,value,unit,quality,code\r\n${lines("t")}${lines("'=u")}`);
  const json = await get("&tag=%3Du&format=jsonl&time=iso");
  assert.deepEqual([json.headers.get("content-type"), json.headers.get("content-disposition")], ["application/x-ndjson", 'attachment; filename="pump-u.jsonl"']);
  assert.deepEqual((await json.text()).split("\n").map((line) => line && JSON.parse(line)), [
    { device: "pump", tag: "=u", timestamp: "1970-01-01T00:00:01.000Z", received: "1970-01-01T00:00:01.020Z", value: -1.5, unit: "°C", quality: "good" },
    { device: "pump", tag: "=u", timestamp: "1970-01-01T00:00:02.000Z", value: null, unit: "°C", quality: "bad", code: '@Bad "no", link' },
    "",
  ]);
  assert.equal(await (await fixture.call("/api/series/export?device=nobody", { token: "app:#" })).text(), "device,tag,timestamp,received,value,unit,quality,code\r\n");
  assert.equal((await get("", "app:status/lamp")).status, 403);
  for (const query of ["&format=xml", "&time=s", "&points=3"]) assert.equal((await get(query)).status, 400, query);
});

test("GET /api/series/export reads a page when the one before is taken, and stops when the client goes or its right does", async () => {
  const many = Array.from({ length: 9000 }, (_, time): StoredReading => ({ time, value: time, quality: "good" }));
  let asked = 0;
  const inner = memoryStore(many);
  let stands = true;
  const store: Store = { ...inner, readings: (query) => (asked++, inner.readings(query)) };
  const fixture = await createFixture({ store });
  const open = async (): Promise<ReadableStreamDefaultReader<Uint8Array>> => (await fixture.call("/api/series/export?device=pump&tag=t&since=0&until=9000", { token: "app:#" })).body!.getReader();
  const reader = await open();
  await reader.read();
  assert.ok(asked <= 3, `${asked} pages were read for one`);
  await reader.cancel();
  const before = asked;
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(asked, before);
  const text = await (await fixture.call("/api/series/export?device=pump&tag=t&since=0&until=9000", { token: "app:#" })).text();
  assert.equal(text.split("\r\n").length, 9002);
  const { can } = fixture.parts.authority;
  Object.assign(fixture.parts.authority, { can: (...args: Parameters<typeof can>) => stands && can(...args) });
  const other = await open();
  await other.read();
  stands = false;
  await assert.rejects(async () => {
    while (!(await other.read()).done);
  }, /right to it is gone/);
  Object.assign(fixture.parts.authority, { can });
});
