import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { BusbarError, type LedgerAccount } from "@busbar/core";
import { assertLedgerBalances, until } from "@busbar/core/testkit";
import storage from "@busbar/storage-sqlite";
import { openListener, type Listener } from "../plugins/websocket/testing/listener.ts";

async function temporaryFolder(context: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "busbar-"));
  context.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** The ledger as somebody outside reads it. */
async function ledgerOf({ gateway, port }: Listener): Promise<Readonly<Record<string, LedgerAccount>>> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  assert.equal(response.status, 200);
  assert.equal(gateway.metric("busbar_ledger_imbalance"), 0);
  return assertLedgerBalances(await response.text());
}

/** The ledger once nothing waits any more; it has balanced all the time. */
async function settledLedgerOf(listener: Listener): Promise<Readonly<Record<string, LedgerAccount>>> {
  return await until("the ledger is settled", async () => {
    const accounts = await ledgerOf(listener);
    return Object.values(accounts).every(({ waiting }) => waiting === 0) && accounts;
  });
}

test("the ledger knows what became of every message: qos 0, 1 and 2, repeated, retained, refused, dropped, and what the gateway itself says", async (context) => {
  const cwd = await temporaryFolder(context);
  const listener = await openListener({}, { plugins: { storage: [storage, {}] }, cwd });
  await using _listener = listener;
  const { bus } = listener.gateway;
  const before = (await settledLedgerOf(listener))["messages"]!;
  const device = await listener.connect("d-1");
  const app = await listener.connect("app");
  await app.subscribe("event/#", { qos: 1 });
  await app.subscribe("event/d-1/#");
  const mute = await listener.connect("mute:none");

  for (let at = 0; at < 100; at++) device.send({ type: "event", from: "d-1", payload: at });
  for (let at = 0; at < 50; at++) device.send({ type: "note", from: "d-1", payload: at });
  for (let at = 0; at < 20; at++) device.send({ type: "event", from: "d-1", qos: 1 + (at % 2), msgid: `m${at % 15}`, payload: at });
  for (let at = 0; at < 20; at++) await device.next("ack");
  for (let at = 0; at < 5; at++) device.send({ type: "note", from: "d-1", retain: true, payload: at });
  mute.send({ type: "event", qos: 1, msgid: "x", payload: 1 });
  await mute.next("error");
  await device.settled();
  const slow = Promise.withResolvers<void>();
  const lazy = bus.subscribe("tick/#", () => slow.promise, { limit: 3, overflow: "drop-oldest" });
  for (let at = 0; at < 10; at++) bus.publish({ type: "tick", payload: at });
  const half = await ledgerOf(listener);
  assert.deepEqual([half["subscribers"]!.waiting, half["subscribers"]!.settled["dropped drop-oldest"]], [3, 6]);
  lazy.close();
  slow.resolve();
  const circle = bus.subscribe("circle/#", () => void bus.publish({ type: "circle", payload: 0 }));
  bus.publish({ type: "circle", payload: 0 });
  circle.close();
  await bus.deliver({ type: "command", to: "d-1", payload: "on" });
  const command = await device.next("command");
  device.send({ type: "ack", msgid: command["msgid"], status: "ok", payload: 1 });
  await device.settled();

  const after = await settledLedgerOf(listener);
  const { settled } = after["messages"]!;
  assert.equal(settled["duplicate"], 5);
  assert.equal(settled["dropped no-subscriber"], 50);
  assert.equal(settled["dropped loop"], 1);
  assert.equal(settled["delivered"], 100 + 10 + 33);
  assert.equal(settled["stored"], listener.gateway.metric("busbar_storage_journal_entries"), "as many as the journal holds");
  assert.ok(settled["stored"]! - (before.settled["stored"] ?? 0) >= 15 + 5 + 2, "15 msgids, 5 retained, the command and its answer, besides presence and audit entries");
  assert.equal(after["subscribers"]!.settled["dropped closed"], 3);
  assert.ok(after["peers"]!.settled["sent"]! >= 115);
});

test("the ledger balances at any moment while messages pour in and sessions come and go", async (context) => {
  const cwd = await temporaryFolder(context);
  const listener = await openListener({ buffer: 65_536 }, { plugins: { storage: [storage, {}] }, cwd, gateway: { journalHighWater: 50 } });
  await using _listener = listener;
  let tries = 0;
  listener.gateway.bus.consume("sink", "event/#", async (batch) => {
    if (++tries % 3 === 0) throw new BusbarError("UNAVAILABLE", "the sink is down", { retryAfter: 5 });
    if (tries % 5 === 0) throw new BusbarError("REFUSED", "the sink refuses one", { offsets: [batch[0]!.offset] });
  }, { batch: 50 });
  for (let turn = 0; turn < 12; turn++) {
    const [source, reader] = await Promise.all([listener.connect(`source-${turn % 3}`), listener.connect("reader")]);
    await reader.subscribe("#", { qos: turn % 2 });
    const stalled = await listener.raw("stalled");
    stalled.sendJson({ type: "subscribe", topic: "event/#", qos: 0, overflow: ["drop-oldest", "drop-newest", "latest", "disconnect"][turn % 4], limit: 20 });
    await stalled.json("subscribed");
    stalled.socket.pause();
    for (let at = 0; at < 300; at++) source.send({ type: "event", qos: at % 3, msgid: `${turn}-${at}`, retain: at % 7 === 0, payload: "x".repeat(at % 3 ? at : 50 * at) });
    for (let look = 0; look < 3; look++) await ledgerOf(listener);
    if (turn % 2) source.ws.terminate();
    else await source.settled();
    stalled.socket.destroy();
  }
  await listener.until(() => listener.gateway.metric("busbar_reader_behind") === 0, "the sink has everything");
  const { messages, peers, readers } = await settledLedgerOf(listener);
  assert.ok(messages!.entered > 1500 && peers!.settled["sent"]! > 1000, JSON.stringify([messages, peers]));
  assert.ok(Object.keys(peers!.settled).some((fate) => /drop-oldest|drop-newest|latest|disconnect/.test(fate)), JSON.stringify(peers));
  assert.ok(readers!.settled["delivered"]! > 100 && readers!.settled["dead-letter"]! > 0 && readers!.settled["returned"]! > 0, JSON.stringify(readers));
});
