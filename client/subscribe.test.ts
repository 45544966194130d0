import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { until } from "@busbar/core/testkit";
import type { ClientError } from "./client-error.ts";
import type { Envelope } from "./envelope.ts";
import { memoryStore } from "./memory-store.ts";
import type { Gap } from "./subscription.ts";
import { openGateway } from "./testing/gateway.ts";
import { openClient, transports } from "./testing/transports.ts";

const numbers = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

for (const over of transports) {
  test(`subscribe() over ${over} gets every message once and in order while connections are cut at random under load`, async () => {
    await using gateway = await openGateway();
    await using sender = openClient(gateway, { id: "d-1", over });
    const receivers = [0, 1].map((qos) => openClient(gateway, { id: `app-${qos}`, over }));
    const got: number[][] = [[], []];
    for (const [qos, receiver] of receivers.entries()) await receiver.subscribe("status/#", ({ payload }) => void got[qos]!.push(payload as number), { qos: qos as 0 | 1 }).ready;
    const total = 3000;
    const done: Promise<unknown>[] = [];
    for (let n = 0; n < total; ) {
      for (let burst = 1 + Math.floor(Math.random() * 200); burst > 0 && n < total; burst--) done.push(sender.publish({ type: "status", payload: n++ }));
      const before = got.map(({ length }) => length);
      await until("something comes", () => got.every(({ length }, at) => length > before[at]!));
      if (Math.random() < 0.7) gateway.cut();
    }
    await Promise.all(done);
    await until("all has come", () => got.every(({ length }) => length >= total));
    assert.deepEqual(got, [numbers(total), numbers(total)]);
    assert.ok(receivers.every(({ counts }) => counts.connections > 2));
    await Promise.all(receivers.map((receiver) => receiver.close()));
  });
}

test("subscribe() with a resume name goes on after a restart of the app behind the last message it has handled", async () => {
  await using gateway = await openGateway();
  await using sender = openClient(gateway, { id: "d-1" });
  const store = memoryStore();
  const got: unknown[] = [];
  const run = async (until_: number): Promise<void> => {
    await using app = openClient(gateway, { id: "app", store });
    const subscription = app.subscribe("status/#", async ({ payload }) => {
      await new Promise((resolve) => setImmediate(resolve));
      got.push(payload);
    }, { resume: "screen" });
    await subscription.ready;
    await sender.publish({ type: "status", payload: `beat ${until_}` });
    await until("handled", () => got.includes(`beat ${until_}`));
    assert.ok(subscription.offset! > 0);
  };
  await run(1);
  for (const n of [1, 2, 3]) await sender.publish({ type: "status", payload: n });
  await run(2);
  assert.deepEqual(got, ["beat 1", 1, 2, 3, "beat 2"]);
});

test("subscribe() waits for a handler before the next message, and acknowledges what it has handled", async () => {
  await using gateway = await openGateway();
  await using sender = openClient(gateway, { id: "d-1" });
  await using app = openClient(gateway, { id: "app" });
  let atWork = 0;
  const got: unknown[] = [];
  const subscription = app.subscribe("status/#", async ({ payload }) => {
    assert.equal(++atWork, 1);
    await new Promise((resolve) => setImmediate(resolve));
    atWork--;
    got.push(payload);
  }, { qos: 1 });
  await subscription.ready;
  await Promise.all(numbers(500).map((n) => sender.publish({ type: "status", payload: n })));
  await until("more than may be in flight at once", () => got.length === 500);
  assert.deepEqual(got, numbers(500));
});

test("subscribe() hands a message over again when its handler has failed, and says so", async () => {
  await using gateway = await openGateway();
  await using client = openClient(gateway, { id: "d-1" });
  const problems: ClientError[] = [];
  client.on("problem", (error) => problems.push(error));
  const got: unknown[] = [];
  let failed = false;
  await client.subscribe("status/#", ({ payload }) => {
    if (payload === 1 && !failed) {
      failed = true;
      throw new Error("not now");
    }
    got.push(payload);
  }, { qos: 1 }).ready;
  for (const n of [0, 1, 2]) await client.publish({ type: "status", payload: n });
  await until("all are handled", () => got.length === 3);
  assert.deepEqual([got, problems.map(({ code }) => code)], [[0, 1, 2], ["HANDLER"]]);
});

test("subscribe() gives retained values first, and again only to a subscription that does not resume", async () => {
  await using gateway = await openGateway();
  await using client = openClient(gateway, { id: "d-1" });
  await client.publish({ type: "status", payload: "old", retain: true });
  const got: Record<string, unknown[]> = { resumes: [], fresh: [] };
  await using app = openClient(gateway, { id: "app" });
  await app.subscribe("status/#", ({ payload }) => void got["resumes"]!.push(payload)).ready;
  await using other = openClient(gateway, { id: "other" });
  await other.subscribe("status/#", ({ payload }) => void got["fresh"]!.push(payload), { resume: false }).ready;
  await client.publish({ type: "status", payload: "new", retain: true });
  await until("both have both", () => got["resumes"]!.length === 2 && got["fresh"]!.length === 2);
  gateway.cut();
  await until("back", () => got["fresh"]!.length === 3);
  await client.publish({ type: "status", payload: "last" });
  await until("both go on", () => got["resumes"]!.length === 3 && got["fresh"]!.length === 4);
  assert.deepEqual(got, { resumes: ["old", "new", "last"], fresh: ["old", "new", "new", "last"] });
});

test("subscribe() serves patterns that cover each other, each message once to each, also when the wider one comes later and wants the past", async () => {
  await using gateway = await openGateway();
  await using client = openClient(gateway, { id: "d-1" });
  await client.publish({ type: "status", payload: 0 });
  const got: Record<string, Envelope[]> = {};
  const subscribe = (name: string, pattern: string, since?: number) => client.subscribe(pattern, (message) => void (got[name] ??= []).push(message), since === undefined ? {} : { since });
  await subscribe("narrow", "status/d-1").ready;
  await client.publish({ type: "status", payload: 1 });
  await subscribe("wide", "status/#", 0).ready;
  await client.publish({ type: "status", payload: 2, from: "d-1/door" });
  await client.publish({ type: "status", payload: 3 });
  const late = subscribe("late", "status/+", 0);
  await late.ready;
  await client.publish({ type: "status", payload: 4 });
  await until("all are there", () => got["late"]?.length === 4 && got["wide"]?.length === 5);
  late.close();
  await client.publish({ type: "status", payload: 5 });
  await until("it goes on", () => got["narrow"]?.length === 4);
  const payloads = Object.fromEntries(Object.entries(got).map(([name, messages]) => [name, messages.map(({ payload }) => payload)]));
  assert.deepEqual(payloads, { narrow: [1, 3, 4, 5], wide: [0, 1, 2, 3, 4, 5], late: [0, 1, 3, 4] });
  assert.throws(() => subscribe("clash", "+/d-1"), TypeError);
});

test("subscribe() is refused with FORBIDDEN where the token does not allow it", async () => {
  await using gateway = await openGateway();
  await using client = openClient(gateway, { id: "app", token: "app:none" });
  await assert.rejects(client.subscribe("status/#", () => {}).ready, (error: ClientError) => error.code === "FORBIDDEN");
});

test("subscribe() tells of a gap when the journal is another one, and goes on", async () => {
  const folder = await mkdtemp(join(tmpdir(), "busbar-client-"));
  try {
    await using gateway = await openGateway({ folder });
    await using client = openClient(gateway, { id: "d-1" });
    const got: unknown[] = [];
    const gaps: Gap[] = [];
    const subscription = client.subscribe("status/#", ({ payload }) => void got.push(payload), { onGap: (gap) => gaps.push(gap) });
    await subscription.ready;
    for (const n of numbers(50)) await client.publish({ type: "status", payload: n });
    await until("all have come", () => got.length === 50);
    const { offset } = subscription;
    await gateway.restart(() => rm(join(folder, "journal.db"), { force: true }).then(() => rm(join(folder, "journal.db-wal"), { force: true })));
    await until("the gap is told of", () => gaps.length === 1);
    await until("back", () => client.state === "online");
    await client.publish({ type: "status", payload: "new" });
    await until("it goes on", () => got.length > 50);
    assert.equal(gaps[0]!.since, offset);
    assert.equal(got.at(-1), "new");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("subscribe() leaves in the journal what a slow handler has no room for, and fetches it from there", { timeout: 120_000 }, async () => {
  await using gateway = await openGateway();
  await using sender = openClient(gateway, { id: "d-1" });
  await using app = openClient(gateway, { id: "app" });
  let open = (): void => {};
  const gate = new Promise<void>((resolve) => (open = resolve));
  let next = 0;
  await app.subscribe("status/#", async ({ payload }) => {
    await gate;
    assert.equal(payload, next++);
  }, {}).ready;
  const total = 25_000;
  for (let n = 0; n < total; n += 1000) await Promise.all(numbers(1000).map((m) => sender.publish({ type: "status", payload: n + m })));
  open();
  await until("all are handled", () => next === total, { within: 60_000 });
});
