import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { parseLedger, systemClock } from "@busbar/core";
import { assertLedgerBalances, testPlugin } from "@busbar/core/testkit";
import http from "@busbar/http";
import storage from "@busbar/storage-sqlite";
import tcpProtobuf from "@busbar/tcp-protobuf";
import websocket from "@busbar/websocket";
import { readFile } from "./faults/check-journal.ts";
import { openHttpLink, openTcpLink, openWsLink } from "./faults/links.ts";
import { Source } from "./faults/source.ts";
import { Verdict } from "./faults/verdict.ts";
import { smallDisk, withoutSmallDisk } from "./support/small-disk.ts";

async function until(holds: () => boolean | Promise<boolean>, each: () => void = () => {}): Promise<void> {
  for (const end = performance.now() + 60_000; !(await holds()); await systemClock.sleep(5)) {
    if (performance.now() > end) throw new Error(`not so within 60 s: ${String(holds)}`);
    each();
  }
}

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
    const load = (): void => sources.forEach((source) => source.load(40));
    await until(refusing, load);
    await until(async () => (await ready()) === 503, load);
    const before = levels;
    meter.load(10);
    await until(() => levels >= before + 10);
    free();
    await until(async () => !refusing() && (await ready()) === 200, load);
    const goal = sources.map(({ sent }) => sent + 200);
    await until(() => sources.every(({ sent }, at) => sent >= goal[at]!), load);
    await until(() => sources.every(({ waiting }) => waiting === 0));
    await until(() => parseLedger(gateway.kernel.gateway.metrics()).every(({ waiting }) => waiting === 0));
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
    await until(() => performance.now() > end || gateway.log.some(({ message }) => message.startsWith("task failed")));
    assert.deepEqual(gateway.log.filter(({ message }) => message.startsWith("task failed")), []);
    disk.free();
    await until(() => gateway.metric("busbar_journal_refusing") === 0);
    await say(-1);
  } finally {
    await gateway.stop();
  }
});
