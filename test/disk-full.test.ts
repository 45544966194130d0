import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { parseLedger, systemClock } from "@busbar/core";
import { assertLedgerBalances, testPlugin, until } from "@busbar/core/testkit";
import http from "@busbar/http";
import storage from "@busbar/storage-sqlite";
import tcpProtobuf from "@busbar/tcp-protobuf";
import websocket from "@busbar/websocket";
import { readFile } from "./faults/check-journal.ts";
import { openHttpLink, openTcpLink, openWsLink } from "./faults/links.ts";
import { Source } from "./faults/source.ts";
import { Verdict } from "./faults/verdict.ts";
import { smallDisk, withoutSmallDisk } from "./support/small-disk.ts";

/** Devices on every transport publish as fast as they are acknowledged until the journal is full, and go on once `free` has made room. */
async function fillUp(cwd: string, section: object, free: () => void): Promise<{ readonly verdict: Verdict; readonly sources: readonly Source[]; readonly refused: number }> {
  const gateway = await testPlugin(websocket, {}, { cwd, plugins: { http: [http, { port: 0 }], tcp: [tcpProtobuf, { port: 0, codec: "envelope" }], storage: [storage, section] } });
  const urls = new Map(gateway.kernel.gateway.plugins().flatMap(({ addresses }) => addresses.map(({ what, url }) => [what, url] as const)));
  const sources = [openTcpLink, openWsLink, openTcpLink, openWsLink, openHttpLink].map((open, at) => new Source({ id: `source-${at}`, token: `source-${at}`, type: at % 2 ? "event" : "status", qos: at % 2 ? 1 : 2, open }));
  const meter = new Source({ id: "meter", token: "meter", type: "level", qos: 0, open: openWsLink });
  try {
    await Promise.all([...sources, meter].map((source) => source.connect(urls)));
    let levels = 0;
    gateway.bus.subscribe("level/meter", () => void levels++);
    const refusing = (): boolean => gateway.metric("busbar_journal_refusing") === 1;
    const ready = async (): Promise<number> => {
      assertLedgerBalances(await (await fetch(`${urls.get("HTTP API")!}/metrics`)).text());
      return (await fetch(`${urls.get("HTTP API")!}/readyz`)).status;
    };
    const load = async (): Promise<void> => {
      for (const source of sources) source.load(40);
      await systemClock.sleep(5);
    };
    const loaded = { turn: load, within: 60_000 };
    await until("the journal refuses", refusing, loaded);
    await until("/readyz says so", async () => (await ready()) === 503, loaded);
    const before = levels;
    meter.load(10);
    await until("qos 0 goes on", () => levels >= before + 10, { show: () => levels - before });
    free();
    await until("it takes messages again, and says so", async () => !refusing() && (await ready()) === 200, loaded);
    const goal = sources.map(({ sent }) => sent + 200);
    await until("every source has sent more", () => sources.every(({ sent }, at) => sent >= goal[at]!), loaded);
    await until("everything is acknowledged", () => sources.every(({ waiting }) => waiting === 0), { within: 60_000, show: () => sources.map(({ waiting }) => waiting) });
    await until("nothing waits", () => parseLedger(gateway.kernel.gateway.metrics()).every(({ waiting }) => waiting === 0), { within: 60_000 });
    assertLedgerBalances(gateway.kernel.gateway.metrics(), { settled: true });
    assert.deepEqual(sources.flatMap(({ refusals }) => refusals), []);
    return { verdict: new Verdict(sources), sources, refused: gateway.metric("busbar_journal_refused_total") };
  } finally {
    for (const source of [...sources, meter]) source.disconnect();
    await gateway.stop();
  }
}

test("a disk that fills up under load: everybody is refused and paused, /readyz says so, and with room again everything acknowledged is there once, in order", { skip: withoutSmallDisk }, async (context: TestContext) => {
  const disk = smallDisk(context, { mebibytes: 16, taken: 13 });
  const { verdict, sources, refused } = await fillUp(disk.folder, { file: "busbar.db" }, disk.free);
  await readFile(join(disk.folder, "busbar.db"), (entry) => verdict.take(entry));
  const { acknowledged, found, lost, doubled, reordered } = verdict.finish();
  context.diagnostic(JSON.stringify({ acknowledged, found, lost, doubled, reordered, refused, retries: sources.map(({ retries }) => retries) }));
  assert.deepEqual(verdict.problems, []);
  assert.deepEqual([found, lost, doubled, reordered], [acknowledged, 0, 0, 0]);
  assert.ok(refused > 0);
});

test("a journal over its quota refuses under load until retention has made room, and what it keeps is without gap, double or disorder", async (context: TestContext) => {
  const folder = mkdtempSync(join(tmpdir(), "busbar-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const { verdict, refused } = await fillUp(folder, { file: "busbar.db", journal: { size: "1MiB", maxSize: "1MiB" }, retentionInterval: "1s" }, () => {});
  await readFile(join(folder, "busbar.db"), (entry) => verdict.take(entry));
  const { lost, doubled, reordered, found } = verdict.finish({ pruned: true });
  context.diagnostic(JSON.stringify({ found, lost, doubled, reordered, refused }));
  assert.deepEqual(verdict.problems, []);
  assert.ok(refused > 0 && found > 0);
});

test("a disk that is full keeps retention from nothing but merging, which is not said over and over", { skip: withoutSmallDisk }, async (context: TestContext) => {
  const disk = smallDisk(context, { mebibytes: 8, taken: 6 });
  const gateway = await testPlugin(storage, { file: "busbar.db", retentionInterval: "100ms" }, { cwd: disk.folder });
  try {
    const say = (at: number): Promise<unknown> => gateway.bus.deliver({ type: "event", from: "d-1", msgid: `m-${at}`, payload: "x".repeat(2000), qos: 1 });
    let full = false;
    for (let at = 0; !full; at++) await say(at).catch(() => (full = true));
    const end = performance.now() + 2000;
    await until("2 s have passed", () => performance.now() > end || gateway.log.some(({ message }) => message.startsWith("task failed")));
    assert.deepEqual(gateway.log.filter(({ message }) => message.startsWith("task failed")), []);
    disk.free();
    await until("the journal takes messages again", () => gateway.metric("busbar_journal_refusing") === 0, { within: 60_000 });
    await say(-1);
  } finally {
    await gateway.stop();
  }
});
