import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { journalMessage } from "@busbar/core/testkit";
import { openStorage } from "./storage.ts";

/*
 * Measures the storage on this machine: `node plugins/storage-sqlite/storage-bench.ts [readings in millions, default 2]`.
 * Appends are compared with the floor of the same run: write and fdatasync of the same bytes to a plain file.
 */
const millions = Number(process.argv[2] ?? 2);
const folder = mkdtempSync(join(tmpdir(), "busbar-bench-"));
const payload = { values: [{ tag: "temperature", value: 42.5, unit: "°C", quality: "good" }], quality: "good" };
const say = (text: string): void => void process.stdout.write(text + "\n");
const rate = (count: number, ms: number): string => `${Math.round((count / ms) * 1000).toLocaleString("en")}/s`;

async function benchAppends(size: number): Promise<void> {
  const storage = await openStorage({ file: join(folder, `append-${size}.db`) });
  const batch = Array.from({ length: size }, (_, at) => journalMessage({ from: "plc-101", msgid: "m-" + at, timestamp: Date.now(), qos: 1, payload }));
  const plain = openSync(join(folder, "plain"), "w");
  const bytes = Buffer.alloc(size * 160);
  const latencies: number[] = [];
  let [ours, floor] = [0, 0];
  for (let round = 0; round < 3; round++) {
    const start = performance.now();
    for (let at = 0; at < 300; at++) {
      const before = performance.now();
      await storage.journal.append(batch);
      latencies.push(performance.now() - before);
    }
    const middle = performance.now();
    for (let at = 0; at < 300; at++) {
      writeSync(plain, bytes);
      fdatasyncSync(plain);
    }
    ours += middle - start;
    floor += performance.now() - middle;
  }
  closeSync(plain);
  await storage.close();
  latencies.sort((one, other) => one - other);
  const at = (share: number): string => latencies[Math.floor(latencies.length * share)]!.toFixed(2);
  say(`append, batches of ${size}: ${rate(900 * size, ours)} acknowledged, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms; ${(floor / ours).toFixed(2)} of write + fdatasync (${rate(900 * size, floor)})`);
}

async function benchIngest(): Promise<void> {
  let stored = 0;
  const storage = await openStorage({ file: join(folder, "ingest.db"), queue: { limit: 20_000, onStored: (count) => (stored += count) } });
  const count = 300_000;
  const start = performance.now();
  const cpu = process.cpuUsage();
  let added = 0;
  while (added < count) {
    while (storage.queue.size < 19_000 && added < count) storage.queue.add(journalMessage({ from: "d-" + (added % 1000), timestamp: 1_750_000_000_000 + added++, payload }));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await storage.store.device("d-0");
  const { user, system } = process.cpuUsage(cpu);
  say(`readings of 1,000 devices: ${rate(stored, performance.now() - start)} stored, ${((user + system) / stored).toFixed(1)} µs of CPU each`);
  await storage.close();
}

/** One reading a second of each of 100 tags, written in order of time as a running plant does, then one day of one tag asked for. */
async function benchSeries(): Promise<void> {
  const file = join(folder, "series.db");
  await (await openStorage({ file })).close();
  const rows = millions * 1_000_000;
  const database = new DatabaseSync(join(folder, "series-series.db"));
  database.exec("pragma synchronous = off; pragma journal_mode = off; pragma cache_size = -200000; pragma temp_store = file; begin");
  database.exec("insert into series (id, device, tag, quality, time, kind) with recursive n(x) as (select 1 union all select x + 1 from n where x < 100) select x, 'd', 't' || x, 'good', 0, 0 from n");
  database.prepare("insert into point (series, time, value) with recursive n(x) as (select 0 union all select x + 1 from n where x < ?) select series.id, 1750000000000 + x * 1000, (x * 7919) % 1000 / 10.0 + id from n cross join series").run(rows / 100 - 1);
  database.exec("commit; pragma journal_mode = wal");
  database.close();
  const storage = await openStorage({ file });
  const ask = async (tag: string, since: number, seconds: number): Promise<string> => {
    const start = performance.now();
    const { points } = await storage.store.series({ device: "d", tag, since, until: since + seconds * 1000, points: 1000 });
    return `${(performance.now() - start).toFixed(0)} ms for ${points.length}`;
  };
  const last = 1_750_000_000_000 + (rows / 100) * 1000;
  await storage.store.device("none");
  say(`series over ${rows.toLocaleString("en")} readings, points of one tag, one day (${Math.min(86_400, rows / 100).toLocaleString("en")}): first ${await ask("t50", last - 86_400_000, 86_400)}, again ${await ask("t50", last - 86_400_000, 86_400)}, another ${await ask("t7", last - 86_400_000, 86_400)}; all of one tag (${(rows / 100).toLocaleString("en")}): ${await ask("t50", 0, 1e10)}`);
  await storage.close();
}

try {
  for (const size of [1, 100, 1000]) await benchAppends(size);
  await benchIngest();
  await benchSeries();
} finally {
  rmSync(folder, { recursive: true });
}
