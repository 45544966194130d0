import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createMemoryJournal, definePlugin, JournalPort } from "@busbar/core";
import { testPlugin, until } from "@busbar/core/testkit";
import http from "@busbar/http";
import websocket from "@busbar/websocket";
import * as v from "valibot";
import { createClient } from "./client.ts";
import { ClientError } from "./client-error.ts";
import type { Receipt } from "./envelope.ts";
import { memoryStore } from "./memory-store.ts";
import { openGateway, type GatewayUnderTest } from "./testing/gateway.ts";
import { openClient, transports } from "./testing/transports.ts";

const numbers = (count: number): number[] => Array.from({ length: count }, (_, n) => n);
const payloads = ({ seen }: GatewayUnderTest, topic = "status/d-1"): unknown[] => seen.filter((message) => message.topic === topic).map(({ payload }) => payload);
const codeOf = (promise: Promise<unknown>): Promise<string> => promise.then(() => "resolved", (error: unknown) => (error instanceof ClientError ? error.code : String(error)));

for (const over of transports) {
  test(`publish() over ${over} loses, doubles and reorders nothing while connections are cut at random under load`, async () => {
    await using gateway = await openGateway();
    await using client = openClient(gateway, { id: "d-1", over });
    const total = 4000;
    const done: Promise<Receipt>[] = [];
    let acknowledged = 0;
    for (let n = 0; n < total; ) {
      for (let burst = 1 + Math.floor(Math.random() * 300); burst > 0 && n < total; burst--) done.push(client.publish({ type: "status", payload: n++ }));
      if (Math.random() < 0.5) continue;
      await until("it is back", () => client.counts.acknowledged > acknowledged);
      gateway.cut();
      acknowledged = client.counts.acknowledged;
    }
    const receipts = await Promise.all(done);
    assert.ok(client.counts.connections > 2, `${client.counts.connections} connections`);
    assert.equal(new Set(receipts.map(({ msgid }) => msgid)).size, total);
    assert.deepEqual(payloads(gateway), numbers(total));
    assert.deepEqual([client.counts.acknowledged, client.counts.buffered, client.counts.dropped], [total, 0, 0]);
  });

  test(`publish() over ${over} loses, doubles and reorders nothing while the gateway restarts`, async () => {
    const folder = await mkdtemp(join(tmpdir(), "busbar-client-"));
    try {
      await using gateway = await openGateway({ folder });
      await using client = openClient(gateway, { id: "d-1", over });
      const total = 1500;
      const done: Promise<Receipt>[] = [];
      const publishing = (async () => {
        for (let n = 0; n < total; n++) {
          done.push(client.publish({ type: "status", payload: n }));
          if (n % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
        }
      })();
      for (let restarts = 0; restarts < 2; restarts++) {
        const before = client.counts.acknowledged;
        await until("messages are acknowledged", () => client.counts.acknowledged > Math.min(total - 1, before + 100));
        await gateway.restart();
      }
      await publishing;
      await Promise.all(done);
      assert.ok(client.counts.connections > 1);
      assert.deepEqual(payloads(gateway), numbers(total));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
}

test("publish() waits while offline, and sends in order, qos 0 among the others", async () => {
  await using gateway = await openGateway();
  gateway.refuse(true);
  await using client = openClient(gateway, { id: "d-1" });
  const done = numbers(30).map((n) => client.publish({ type: "status", payload: n, qos: (n % 3) as 0 | 1 | 2 }));
  await until("offline", () => client.state === "offline");
  assert.equal(client.counts.buffered, 30);
  gateway.refuse(false);
  await Promise.all(done);
  await until("all are there", () => payloads(gateway).length === 30);
  assert.deepEqual(payloads(gateway).filter((n) => (n as number) % 3 > 0), numbers(30).filter((n) => n % 3 > 0));
});

test("publish() sends what is published in one turn as one frame, and what lingers too", async () => {
  await using gateway = await openGateway({ config: { rate: 12 } }); // frames and messages count: 5 messages in a batch are 6
  await using client = openClient(gateway, { id: "d-1", batch: { linger: 30 } });
  await client.connected;
  const first = client.publish({ type: "status", payload: 0 });
  await new Promise((resolve) => setTimeout(resolve, 5));
  await Promise.all([first, ...[1, 2, 3, 4].map((n) => client.publish({ type: "status", payload: n }))]);
  assert.deepEqual(payloads(gateway), numbers(5));
  assert.equal(client.counts.connections, 1);
});

test("publish() keeps what was published, whatever happens to the object afterwards", async () => {
  await using gateway = await openGateway();
  await using client = openClient(gateway, { id: "d-1" });
  const payload = { value: 1 };
  const done = client.publish({ type: "status", payload, from: "d-1/door" });
  payload.value = 2;
  await done;
  await client.publish({ type: "status", payload: new Uint8Array([1, 0, 255]) });
  assert.deepEqual(payloads(gateway, "status/d-1/door"), [{ value: 1 }]);
  assert.deepEqual([...(payloads(gateway)[0] as Uint8Array)], [1, 0, 255]);
});

test("publish() takes a msgid that is in the buffer, or was acknowledged, for the same message", async () => {
  await using gateway = await openGateway();
  await using client = openClient(gateway, { id: "d-1" });
  const [one, other] = [client.publish({ type: "status", payload: 1, msgid: "row-1" }), client.publish({ type: "status", payload: 2, msgid: "row-1" })];
  assert.deepEqual([(await one).msgid, (await other).msgid], ["row-1", "row-1"]);
  await client.publish({ type: "status", payload: 3, msgid: "row-1" });
  assert.deepEqual(payloads(gateway), [1]);
});

test("publish() refuses at once what the gateway would not understand", async () => {
  await using gateway = await openGateway();
  await using client = openClient(gateway, { id: "d-1", frameLimit: 4096 });
  let deep: unknown = 1;
  for (let level = 0; level < 70; level++) deep = [deep];
  const drafts = [{ type: "Status", payload: 1 }, { type: "status", payload: undefined }, { type: "status", payload: deep }, { type: "status", payload: 1, to: "a//b" }, { type: "status", payload: 1, msgid: "x".repeat(65) }, { type: "status", payload: 1, qos: 3 as 2 }, { type: "status", payload: 1, timestamp: 1.5 }];
  assert.deepEqual(await Promise.all(drafts.map((draft) => codeOf(client.publish(draft)))), drafts.map(() => "BAD_FRAME"));
  assert.equal(await codeOf(client.publish({ type: "status", payload: "x".repeat(5000) })), "TOO_LARGE");
  assert.equal((await client.publish({ type: "status", payload: "fits" })).msgid.length > 0, true);
});

test("publish() rejects with FORBIDDEN what this id may not say, and goes on with the rest", async () => {
  await using gateway = await openGateway();
  await using client = openClient(gateway, { id: "d-1" });
  const dropped: string[] = [];
  client.on("dropped", ({ msgid }, { code }) => dropped.push(`${msgid} ${code}`));
  const done = [{ n: 0 }, { n: 1, from: "d-10" }, { n: 2 }].map(({ n, ...more }) => codeOf(client.publish({ type: "status", payload: n, msgid: `m-${n}`, ...more })));
  assert.deepEqual(await Promise.all(done), ["resolved", "FORBIDDEN", "resolved"]);
  assert.deepEqual([payloads(gateway), dropped], [[0, 2], ["m-1 FORBIDDEN"]]);
});

test("publish() finds the message that a gateway with a smaller frame limit ends the connection on, and goes on with the rest", async () => {
  await using gateway = await openGateway({ config: { frameLimit: 2048 } });
  await using client = openClient(gateway, { id: "d-1" });
  const done = numbers(6).map((n) => codeOf(client.publish({ type: "status", payload: n === 3 ? "x".repeat(3000) : n })));
  assert.deepEqual(await Promise.all(done), numbers(6).map((n) => (n === 3 ? "TOO_LARGE" : "resolved")));
  assert.deepEqual(payloads(gateway), [0, 1, 2, 4, 5]);
  const innocent = codeOf(client.publish({ type: "status", payload: "innocent" }));
  void client.publish({ type: "status", payload: "x".repeat(3000), qos: 0 });
  assert.equal(await innocent, "resolved", "it was the one beside it");
});

test("publish() tries again, in order, what the journal refuses for the moment", async () => {
  const journal = createMemoryJournal();
  let refusals = 0;
  const storage = definePlugin({
    name: "storage", description: "A journal whose disk is full now and then", config: v.strictObject({}), provides: { journal: JournalPort },
    setup() {
      const append = journal.append.bind(journal);
      journal.append = async (messages) => {
        if (refusals < 12 && Math.random() < 0.5) {
          refusals++;
          throw new Error("disk full");
        }
        return append(messages);
      };
      return { journal };
    },
  });
  await using gateway = await testPlugin(websocket, {}, { plugins: { http: [http, { port: 0 }], storage: [storage, {}] } });
  const seen: unknown[] = [];
  gateway.bus.subscribe("status/#", ({ payload }) => void seen.push(payload));
  const client = createClient({ url: gateway.urls[0]!, id: "d-1", token: "d-1", window: 1 });
  const done = await Promise.all(numbers(40).map((n) => client.publish({ type: "status", payload: n })));
  assert.equal(done.length, 40);
  assert.ok(refusals > 3);
  assert.deepEqual(seen, numbers(40));
  await client.close();
});

for (const [overflow, kept, refused] of [["reject", [0, 1, 2, 3, 4], "OVERLOAD"], ["drop-newest", [0, 1, 2, 3, 4], "DROPPED"], ["drop-oldest", [5, 6, 7, 8, 9], "DROPPED"]] as const) {
  test(`publish() with a full buffer and the policy ${overflow} keeps ${kept.join()}`, async () => {
    await using gateway = await openGateway();
    gateway.refuse(true);
    await using client = openClient(gateway, { id: "d-1", buffer: { limit: 5, overflow } });
    let dropped = 0;
    client.on("dropped", () => void dropped++);
    const done = numbers(10).map((n) => codeOf(client.publish({ type: "status", payload: n })));
    gateway.refuse(false);
    assert.deepEqual(await Promise.all(done), numbers(10).map((n) => ((kept as readonly number[]).includes(n) ? "resolved" : refused)));
    assert.deepEqual(payloads(gateway), [...kept]);
    assert.equal(dropped, overflow === "reject" ? 0 : 5, "told of");
  });
}

test("publish() counts bytes, too, against the bound of the buffer", async () => {
  await using gateway = await openGateway();
  gateway.refuse(true);
  await using client = openClient(gateway, { id: "d-1", buffer: { bytes: 3000 } });
  const done = [1, 2, 3].map(() => codeOf(client.publish({ type: "status", payload: "x".repeat(1300) })));
  assert.equal(await done[2], "OVERLOAD");
});

test("publish() does not send what has expired in the buffer", async () => {
  await using gateway = await openGateway();
  gateway.refuse(true);
  await using client = openClient(gateway, { id: "d-1" });
  const late = codeOf(client.publish({ type: "status", payload: "late", expires: Date.now() + 20 }));
  const good = client.publish({ type: "status", payload: "good" });
  await new Promise((resolve) => setTimeout(resolve, 30));
  gateway.refuse(false);
  assert.equal(await late, "EXPIRED");
  await good;
  assert.deepEqual(payloads(gateway), ["good"]);
});

test("publish() sends less after the gateway has ended a connection for too many messages", async () => {
  await using gateway = await openGateway({ config: { rate: 100 } });
  await using client = openClient(gateway, { id: "d-1" });
  const codes: (number | undefined)[] = [];
  client.on("state", (_, { error }) => error && codes.push(error.closeCode));
  await Promise.all(numbers(300).map((n) => client.publish({ type: "status", payload: n })));
  assert.deepEqual(payloads(gateway), numbers(300));
  assert.ok(codes.length >= 1 && codes.length <= 6 && codes.every((code) => code === 4029), codes.join());
});

test("publish() with a store sends what an earlier client has left there, first, and under the same msgid", async () => {
  await using gateway = await openGateway();
  const store = memoryStore();
  gateway.refuse(true);
  const first = openClient(gateway, { id: "d-1", store });
  const left = numbers(20).map((n) => codeOf(first.publish({ type: "status", payload: n, msgid: `m-${n}` })));
  await first.saved();
  await first.close();
  assert.deepEqual(new Set(await Promise.all(left)), new Set(["CLOSED"]));
  gateway.refuse(false);
  await using second = openClient(gateway, { id: "d-1", store });
  await second.publish({ type: "status", payload: 20 });
  assert.deepEqual(payloads(gateway), numbers(21));
  assert.deepEqual(gateway.seen.slice(0, 20).map(({ msgid }) => msgid), numbers(20).map((n) => `m-${n}`));
  await second.close({ drain: true });
  assert.equal((await store.load()).size, 0, "what is acknowledged is gone");
});

test("close() with drain waits for the last acknowledgement; without it the rest is rejected", async () => {
  await using gateway = await openGateway();
  const client = openClient(gateway, { id: "d-1" });
  const done = numbers(500).map((n) => client.publish({ type: "status", payload: n }));
  await client.close({ drain: true });
  await Promise.all(done);
  assert.deepEqual(payloads(gateway), numbers(500));
  gateway.refuse(true);
  const other = openClient(gateway, { id: "d-2" });
  const lost = codeOf(other.publish({ type: "status", payload: 1 }));
  await other.close({ drain: true, timeout: 50 });
  assert.deepEqual([await lost, other.state, await codeOf(other.connected), await codeOf(other.publish({ type: "status", payload: 1 }))], ["CLOSED", "closed", "CLOSED", "CLOSED"]);
});
