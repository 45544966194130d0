import { existsSync, mkdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { SeriesAggregate } from "@busbar/core";
import { bucketEdges, parseBucket } from "../../plugins/http/bucket-edges.ts";
import { exportSeries } from "../../plugins/http/series-export.ts";
import { openStorage, type Storage } from "../../plugins/storage-sqlite/storage.ts";

/*
 * What questions over a year of readings cost: `node bench/series/main.ts <folder> [million readings, default 100] [million to roll up first, default all]`. The folder keeps the file (some 30 bytes a reading), so that another run, or
 * the other runtime, measures the same one. One tag has a reading each second, 22 have one every ten: written in order of time, as a plant does, 2 % uncertain and 1 % bad.
 */
const [folder, millions = "100", toRoll = "Infinity"] = process.argv.slice(2);
if (folder === undefined) throw new TypeError("Cannot measure: name a folder for the file");

const day = 86_400_000;
const start = Date.UTC(2025, 0, 1);
const seconds = Math.floor((Number(millions) * 1e6) / 3.2);
const end = start + seconds * 1000;
const file = join(folder, `series-${millions}.db`);
const seriesFile = join(folder, `series-${millions}-series.db`);
const say = (text: string): void => void process.stdout.write(text + "\n");
const size = (): string => `${(statSync(seriesFile).size / 1024 ** 3).toFixed(2)} GiB`;

async function build(): Promise<void> {
  mkdirSync(folder!, { recursive: true });
  for (const path of [file, seriesFile]) for (const suffix of ["", "-wal", "-ack"]) rmSync(path + suffix, { force: true });
  await (await openStorage({ file })).close();
  const database = new DatabaseSync(seriesFile);
  database.exec("pragma synchronous = off; pragma journal_mode = off; pragma cache_size = -100000");
  database.exec(`insert into series (id, device, tag, unit, quality, time, kind, number) with recursive n(x) as (select 1 union all select x + 1 from n where x < 23) select x, 'plc', 't' || x, 'bar', 'good', ${end - 1000}, 0, 1 from n`);
  database.exec("insert into device values ('plc', 1)");
  const insert = database.prepare(`insert into point (series, time, value, lag, status)
    with recursive n(x) as (select ?1 union all select x + 1 from n where x < ?2)
    select id, ${start} + x * 1000, (x * 7919 + id * 31) % 1000 / 10.0, 20 + x % 50, case when x % 1000 = 0 then 2 when x % 500 = 10 then 1 else 0 end from n cross join series where id = 1 or x % 10 = 0`);
  const began = performance.now();
  for (let at = 0; at < seconds; at += 200_000) {
    insert.run(at, Math.min(at + 200_000, seconds) - 1);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  database.exec("pragma journal_mode = wal");
  const { count } = database.prepare("select count(*) as count from point").get() as { count: number };
  database.close();
  say(`built ${count.toLocaleString("en")} readings in ${((performance.now() - began) / 1000).toFixed(0)} s, ${size()}, ${(statSync(seriesFile).size / count).toFixed(1)} bytes each`);
}

async function rollUp(storage: Storage): Promise<void> {
  const began = performance.now();
  let [readings, longest] = [0, 0];
  for (let more = true; more && readings < Number(toRoll) * 1e6; ) {
    const before = performance.now();
    const step = await storage.roll(end + day);
    longest = Math.max(longest, performance.now() - before);
    readings += step.readings;
    more = step.more;
  }
  const ms = performance.now() - began;
  if (readings > 0) say(`rolled up ${readings.toLocaleString("en")} readings in ${(ms / 1000).toFixed(0)} s (${Math.round((readings / ms) * 1000).toLocaleString("en")}/s), the longest step ${longest.toFixed(0)} ms, ${size()}`);
}

/** Asks three times and says how long each took, and how much of a CPU: on a busy machine that is less. Between them nothing but the caches is different. */
async function measure(what: string, ask: (round: number) => Promise<number>): Promise<void> {
  const times: string[] = [];
  let found = 0;
  for (let round = 0; round < 3; round++) {
    const began = performance.now();
    const cpu = process.cpuUsage();
    found = await ask(round);
    const { user, system } = process.cpuUsage(cpu);
    times.push(`${(performance.now() - began).toFixed(0)} (${((user + system) / 1000).toFixed(0)})`);
  }
  say(`${what}: ${times.join(", ")} ms for ${found.toLocaleString("en")}`);
}

async function questions({ store }: Storage): Promise<void> {
  const line = (tag: string, days: number, before = 0) => async (round: number): Promise<number> => {
    const until = end - (before + round * 3) * day;
    return (await store.series({ device: "plc", tag, since: until - days * day, until, points: 1000 })).points.length;
  };
  const buckets = (width: string, days: number, options: { readonly aggregates?: readonly SeriesAggregate[]; readonly quality?: "good"; readonly timezone?: string } = {}) => async (): Promise<number> => {
    const { edges } = bucketEdges(parseBucket(width)!, { since: end - days * day, until: end, timezone: options.timezone, limit: 10_000 });
    const found = await store.aggregate({ device: "plc", tag: "t1", edges, aggregates: options.aggregates ?? ["mean", "min", "max"], quality: options.quality ?? "uncertain" });
    return found.buckets.length;
  };
  await measure("P11: one day of a tag (86,400 readings) in 1,000 points, another day each time", line("t1", 1, 40));
  await measure("the same of a tag with 8,640 readings a day", line("t9", 1, 40));
  await measure("a month in 1,000 points", line("t1", 30));
  await measure("all of it in 1,000 points", line("t1", 400));
  await measure("mean, min, max: a day by minutes", buckets("1m", 1));
  await measure("mean, min, max: a day by 15 minutes", buckets("15m", 1));
  await measure("mean, min, max: a month by hours", buckets("1h", 30));
  await measure("mean, min, max: all by days in Berlin", buckets("1d", 400, { timezone: "Europe/Berlin" }));
  await measure("the same by days in India, which are no whole hours", buckets("1d", 400, { timezone: "Asia/Kolkata" }));
  await measure("all by hours, good values only", buckets("1h", 400, { quality: "good" }));
  await measure("timeMean, integral, stddev: all by days", buckets("1d", 400, { aggregates: ["timeMean", "integral", "stddev"] }));
  await measure("median and p95: a day by hours", buckets("1h", 1, { aggregates: ["median", "p95"] }));
  await measure("median and p95: a month by days", buckets("1d", 30, { aggregates: ["median", "p95"] }));
}

async function exportRate({ store }: Storage): Promise<void> {
  for (const format of ["csv", "jsonl"] as const) {
    const began = performance.now();
    const response = await exportSeries({ device: "plc", tag: "t1", since: end - 7 * day, until: end, format, time: "ms" }, { store, signal: new AbortController().signal, mayGoOn: () => true });
    let bytes = 0;
    for await (const chunk of response.body!) bytes += chunk.length;
    const ms = performance.now() - began;
    say(`export of a week of a tag (604,800 readings) as ${format}: ${(ms / 1000).toFixed(1)} s, ${Math.round((604_800 / ms) * 1000).toLocaleString("en")} readings/s, ${(bytes / ms / 1000).toFixed(1)} MB/s`);
  }
}

if (!existsSync(seriesFile)) await build();
const began = performance.now();
const storage = await openStorage({ file, seriesLimit: 1024 ** 4 });
say(`opened in ${(performance.now() - began).toFixed(0)} ms`);
try {
  await rollUp(storage);
  await questions(storage);
  await exportRate(storage);
} finally {
  await storage.close();
}
