import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { createKernel, createLog, defaultSettings, definePlugin, JournalPort, StorePort, systemClock, type CheckedConfig, type Journal, type Kernel, type Store } from "@busbar/core";
import { assertLedgerBalances, readAll, sumMetrics, until } from "@busbar/core/testkit";
import storage from "@busbar/storage-sqlite";
import * as v from "valibot";

interface Running {
  readonly kernel: Kernel;
  readonly journal: Journal;
  readonly store: Store;
  metric(selector: string): number;
  /** The config with that section for the storage; without one, without storage. */
  config(section: object | undefined): CheckedConfig;
}

async function start(context: TestContext): Promise<Running> {
  const cwd = await mkdtemp(join(tmpdir(), "busbar-"));
  let held: { readonly journal: Journal; readonly store: Store } | undefined;
  const holder = definePlugin({ name: "holder", description: "Holds the ports for the test", config: v.strictObject({}), needs: { journal: JournalPort, store: { optional: StorePort } }, setup: (ctx) => void (held = ctx.needs as never) });
  const config = (section: object | undefined): CheckedConfig => ({
    instances: [{ id: "holder", plugin: holder, required: true, config: {}, source: {} }, ...(section ? [{ id: "storage", plugin: storage, required: true, config: v.parse(storage.config, section), source: section }] : [])],
    routes: [],
    gateway: defaultSettings,
  });
  const kernel = createKernel({ config: config({}), cwd, clock: systemClock, log: createLog({ level: "error", clock: systemClock, write: () => {} }) });
  await kernel.start();
  context.after(async () => {
    await kernel.stop();
    await rm(cwd, { recursive: true, force: true });
  });
  return { kernel, ...held!, config, metric: (selector) => sumMetrics(kernel.gateway.metrics(), selector) };
}

/** Delivers as a device does: again and again under the same msgid until it is acknowledged. */
async function persist({ kernel }: Running, msgid: string, counts: { refused: number; duplicate: number }): Promise<number> {
  for (let attempt = 0; attempt < 3000; attempt++) {
    try {
      const { offset, duplicate } = await kernel.bus.deliver({ type: "event", from: "d-1", msgid, payload: msgid });
      if (duplicate) counts.duplicate++;
      return offset;
    } catch {
      counts.refused++;
      await systemClock.sleep(20);
    }
  }
  throw new Error(`${msgid} was not taken in a minute`);
}

const stored = async (journal: Journal): Promise<string[]> => (await readAll(journal, { after: 0, pattern: "event/d-1" })).map(({ message }) => message.msgid);

describe("a journal whose plugin is restarted", () => {
  it("with other settings goes on at the next offset and knows what it has", async (context) => {
    const gateway = await start(context);
    const counts = { refused: 0, duplicate: 0 };
    const first = await persist(gateway, "a", counts);
    const live: number[] = [];
    gateway.kernel.bus.subscribe("event/#", (_message, offset) => void live.push(offset!));
    await gateway.kernel.reload(gateway.config({ journal: { maxAge: "1d" } }));
    assert.equal(await persist(gateway, "a", counts), first);
    const second = await persist(gateway, "b", counts);
    assert.ok(second > first);
    assert.deepEqual([live, counts.duplicate, await stored(gateway.journal)], [[second], 1, ["a", "b"]]);
    assertLedgerBalances(gateway.kernel.gateway.metrics());
  });

  it("on another file is refused, and the one before goes on", async (context) => {
    const gateway = await start(context);
    const counts = { refused: 0, duplicate: 0 };
    const first = await persist(gateway, "a", counts);
    await assert.rejects(gateway.kernel.reload(gateway.config({ file: "data/other.db" })), { code: "CONFIG", message: /^plugin "storage": Cannot go on with another journal, .*: restart the gateway$/ });
    assert.equal(await persist(gateway, "a", counts), first);
    await persist(gateway, "b", counts);
    assert.deepEqual(await stored(gateway.journal), ["a", "b"]);
    await assert.rejects(gateway.kernel.reload(gateway.config(undefined)), { code: "CONFIG", message: "Cannot reload the config: the journal would be that of the gateway itself instead of storage, which takes a restart of the gateway" });
    await persist(gateway, "c", counts);
    assertLedgerBalances(gateway.kernel.gateway.metrics());
  });

  it("because its thread dies under load, at whatever moment, has every acknowledged message once and hands each over once, in order", async (context) => {
    const gateway = await start(context);
    const { kernel, journal, store, metric } = gateway;
    const counts = { refused: 0, duplicate: 0 };
    const live: string[] = [];
    const offsets: number[] = [];
    kernel.bus.subscribe("event/d-1", (message, offset) => {
      live.push(message.msgid);
      offsets.push(offset!);
    });
    const acknowledged: string[] = [];
    const rounds = 5;
    const storageStatus = () => kernel.gateway.plugins().find(({ id }) => id === "storage")!;
    const running = (): Promise<boolean> => until("the storage runs again", () => storageStatus().state === "running" && metric("busbar_journal_refusing") === 0, { within: 30_000, show: storageStatus });
    for (let round = 0; round < rounds; round++) {
      const sending = Promise.all(Array.from({ length: 300 }, async (_, at) => {
        const msgid = `${round}-${at}`;
        if (at % 3) await systemClock.sleep(at / 10);
        await persist(gateway, msgid, counts);
        acknowledged.push(msgid);
      }));
      await systemClock.sleep(round * 7);
      await running(); // the round before may have been stored before the thread died
      kernel.bus.publish({ type: "status", from: "d-1", payload: { t: round } });
      await assert.rejects(store.series({ device: "d-1", tag: "t", since: {} as never, until: 1, points: 1 }), /its thread ended/); // what the type checker keeps out brings the thread down
      await sending;
    }
    await running();
    assert.ok(metric("busbar_journal_refused_total") > 0);
    assert.ok(storageStatus().restarts >= rounds, `${storageStatus().restarts} restarts`);
    const kept = await stored(journal);
    assert.deepEqual([kept.length, new Set(kept).size], [rounds * 300, rounds * 300], "none lost, none twice");
    assert.deepEqual(acknowledged.toSorted(), kept.toSorted());
    assert.deepEqual(live, kept, "subscribers saw each one once, in the order of the journal");
    assert.deepEqual(offsets, offsets.toSorted((a, b) => a - b));
    assertLedgerBalances(kernel.gateway.metrics(), { settled: true });
  });
});
