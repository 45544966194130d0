import assert from "node:assert/strict";
import { test } from "node:test";
import { openAuthority, testPlugin, until } from "@busbar/core/testkit";
import http from "@busbar/http";
import websocket from "@busbar/websocket";
import { Backoff } from "./backoff.ts";
import { createClient } from "./client.ts";
import type { ClientError } from "./client-error.ts";
import { openGateway } from "./testing/gateway.ts";
import { openClient, transports } from "./testing/transports.ts";

test("Backoff.next() draws from a range that doubles up to a limit, and begins anew after reset()", () => {
  const backoff = new Backoff({ min: 100, max: 1000 });
  const largest = [100, 200, 400, 800, 1000, 1000];
  for (let round = 0; round < 200; round++) {
    for (const limit of largest) {
      const pause = backoff.next();
      assert.ok(pause >= 0 && pause <= limit, `${pause} of ${limit}`);
    }
    backoff.reset();
  }
  assert.ok(new Set(Array.from({ length: 20 }, () => backoff.next())).size > 10, "they differ");
});

for (const over of transports) {
  test(`a client over ${over} notices a connection that died without a word, and comes back`, async () => {
    await using gateway = await openGateway();
    await using client = openClient(gateway, { id: "d-1", over, heartbeat: { interval: 50, timeout: 2000 } });
    await client.connected;
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.equal(client.counts.connections, 1, "silence alone is no reason");
    gateway.stall(true);
    const done = client.publish({ type: "status", payload: 1 });
    await until("noticed", () => client.state !== "online");
    gateway.stall(false);
    await done;
  });

  test(`a client over ${over} closes for good when its token is refused, asking a token function once more`, async () => {
    await using gateway = await openGateway();
    for (const [token, asked] of [["other", 0], [() => "other", 2]] as const) {
      let calls = 0;
      const client = openClient(gateway, { id: "d-1", over, token: typeof token === "string" ? token : () => (calls++, token()) });
      if (over === "ws") await assert.rejects(client.connected, (error: ClientError) => error.code === "UNAUTHENTICATED" && error.closeCode === 4403);
      else await until("TCP has no close codes: it is refused and tries again", () => client.state === "offline");
      if (over === "ws") assert.equal(calls, asked);
      await client.close();
    }
  });
}

for (const over of transports) {
  test(`a client over ${over} has its last will published when it dies, and not when it says goodbye`, async () => {
    await using gateway = await openGateway();
    const will = { type: "alarm", payload: { lost: true }, qos: 1 } as const;
    const wills = (): unknown[] => gateway.seen.filter(({ type }) => type === "alarm").map(({ topic, payload }) => [topic, payload]);
    const polite = openClient(gateway, { id: "d-1", over, will });
    await polite.publish({ type: "status", payload: 1 });
    await polite.close();
    await until("it is gone", () => gateway.gateway.metric("busbar_devices_online") === 0);
    assert.deepEqual(wills(), []);
    const other = openClient(gateway, { id: "d-2", over, will, reconnect: false });
    await other.connected;
    gateway.cut();
    await until("published", () => wills().length === 1);
    assert.deepEqual(wills(), [["alarm/d-2", { lost: true }]]);
    await other.close();
  });
}

test("a client takes a token that is good the second time", async () => {
  await using gateway = await openGateway();
  let calls = 0;
  await using client = openClient(gateway, { id: "d-1", token: async () => (++calls === 1 ? "stale" : "d-1") });
  await until("online", () => client.state === "online");
  assert.equal(calls, 2);
});

test("a client that cannot get a token tries again", async () => {
  await using gateway = await openGateway();
  let calls = 0;
  await using client = openClient(gateway, {
    id: "d-1",
    token: () => {
      if (++calls < 3) throw new Error("the token service is away");
      return "d-1";
    },
  });
  await until("online", () => client.state === "online");
  assert.equal(calls, 3);
});

test("a client that was replaced by a newer one stays away, unless it is to take over", async () => {
  await using gateway = await openGateway();
  const first = openClient(gateway, { id: "d-1" });
  await first.connected;
  const second = openClient(gateway, { id: "d-1" });
  await second.connected;
  await until("closed", () => first.state === "closed");
  await assert.rejects(first.publish({ type: "status", payload: 1 }), (error: ClientError) => error.code === "REPLACED" && error.closeCode === 4009);
  const stubborn = openClient(gateway, { id: "d-1", takeover: true });
  await stubborn.connected;
  await until("closed", () => second.state === "closed");
  const guest = openClient(gateway, { id: "d-1" });
  await guest.connected;
  await until("taken back", () => guest.state === "closed" && stubborn.state === "online");
  await stubborn.close();
});

test("a client with reconnect: false closes with its first connection", async () => {
  await using gateway = await openGateway();
  const client = openClient(gateway, { id: "d-1", reconnect: false });
  await client.connected;
  gateway.cut();
  await until("closed", () => client.state === "closed");
});

test("a client whose rights end is told with 4403 and asks for a new token", async () => {
  const authority = openAuthority();
  let stands = true;
  await using gateway = await testPlugin(websocket, {}, { plugins: { http: [http, { port: 0 }] }, authority: { ...authority, stands: () => stands } });
  let calls = 0;
  const client = createClient({ url: gateway.urls[0]!, id: "d-1", token: () => (calls++, "d-1"), reconnect: { min: 5, max: 50 } });
  await client.connected;
  stands = false;
  await until("ended", () => client.state === "offline");
  stands = true;
  await until("online again", () => client.state === "online");
  assert.ok(calls >= 2);
  await client.close();
});
