import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeClock } from "@busbar/core/testkit";
import { createChanges, type ChangesOptions } from "./changes.ts";
import { ClientError } from "./client-error.ts";
import type { Draft } from "./envelope.ts";
import { openGateway } from "./testing/gateway.ts";
import { openClient } from "./testing/transports.ts";

/** Changes whose messages end in a list; `fails` makes the next ones fail. */
function record(options: ChangesOptions = {}) {
  const clock = fakeClock();
  const sent: Draft[] = [];
  const network = { fails: false };
  const publish = async (draft: Draft) => {
    if (network.fails) throw new ClientError("OVERLOAD", "full");
    sent.push(draft);
    return { msgid: "m" };
  };
  return { clock, sent, network, changes: createChanges("status", { ...options, clock, publish }), payloads: () => sent.splice(0).map(({ payload }) => payload) };
}

test("report() sends only what has changed", async () => {
  const { changes, payloads } = record({ message: { from: "d-1/boiler", qos: 0 } });
  for (const values of [{ a: 1, b: "x", c: true }, { a: 1, b: "x", c: true }, { a: 2, b: "x" }, { c: false, b: "y" }, {}, { a: Number.NaN }, { a: Number.NaN }]) await changes.report(values);
  assert.deepEqual(payloads(), [{ a: 1, b: "x", c: true }, { a: 2 }, { c: false, b: "y" }, { a: Number.NaN }]);
  changes.close();
});

test("report() measures the deadband from what was sent last, not from what was seen last", async () => {
  const { changes, payloads } = record({ deadband: { t: 0.5 } });
  for (const t of [20, 20.2, 20.4, 20.49, 20.5, 20.6, 20.1, 20]) await changes.report({ t, exact: Math.floor(t) });
  assert.deepEqual(payloads(), [{ t: 20, exact: 20 }, { t: 20.5 }, { t: 20 }]);
  const all = record({ deadband: 10 });
  for (const [a, b] of [[0, 0], [9, 10], [10, 10], [19.9, 0]] as const) await all.changes.report({ a, b });
  assert.deepEqual(all.payloads(), [{ a: 0, b: 0 }, { b: 10 }, { a: 10 }, { b: 0 }]);
});

test("report() sends again what could not be sent", async () => {
  const { changes, network, payloads } = record();
  await changes.report({ a: 1 });
  network.fails = true;
  await assert.rejects(changes.report({ a: 2, b: 1 }), (error: ClientError) => error.code === "OVERLOAD");
  network.fails = false;
  assert.equal(await changes.report({ a: 1 }), undefined, "that is what was sent last");
  await changes.report({ a: 2, b: 1 });
  assert.deepEqual(payloads(), [{ a: 1 }, { a: 2, b: 1 }]);
});

test("report() with a heartbeat sends everything when nothing changes for long", async () => {
  const { clock, changes, payloads } = record({ heartbeat: 1000 });
  await changes.report({ a: 1, b: 2 });
  await clock.advance(900);
  await changes.report({ b: 3 });
  assert.deepEqual(payloads(), [{ a: 1, b: 2 }, { b: 3 }]);
  await clock.advance(100);
  assert.deepEqual(payloads(), [{ a: 1, b: 3 }]);
  await clock.advance(2000);
  assert.deepEqual(payloads(), [{ a: 1, b: 3 }, { a: 1, b: 3 }]);
  changes.close();
  await clock.advance(5000);
  assert.deepEqual([payloads(), clock.timers], [[], 0]);
});

test("changes() of a client reach the gateway as readings", async () => {
  await using gateway = await openGateway();
  await using client = openClient(gateway, { id: "d-1" });
  const changes = client.changes("status", { deadband: 1 });
  const receipts = [];
  for (const temperature of [20, 20.5, 21.5]) receipts.push(await changes.report({ temperature }));
  assert.deepEqual(gateway.seen.map(({ topic, payload }) => [topic, payload]), [["status/d-1", { temperature: 20 }], ["status/d-1", { temperature: 21.5 }]]);
  assert.equal(receipts[1], undefined);
});
