import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeClock } from "@busbar/core/testkit";
import { openListener } from "./testing/listener.ts";
import { rawFrame } from "./testing/raw-client.ts";

const auth = (deviceId: string) => ({ type: "auth", deviceId, token: deviceId });

test("websocket lets those who wait in one by one, first come, first served", async () => {
  await using listener = await openListener({ maxConnections: 1, waitingLine: { length: 5, time: "60s" } });
  const { gateway } = listener;
  const order: string[] = [];
  gateway.bus.subscribe("event/+/presence", ({ from, payload }) => void ((payload as { presence: string }).presence === "online" && order.push(from)));
  const clients = [];
  for (const name of ["d-0", "d-1", "d-2", "d-3"]) {
    const client = await listener.connect();
    client.send(auth(name)); // three of them long before they have a place
    clients.push(client);
  }
  await clients[0]!.next("auth_response");
  assert.deepEqual([gateway.metric("busbar_websocket_connections"), gateway.metric("busbar_websocket_waiting")], [1, 3]);
  for (let at = 0; at < 3; at++) {
    clients[at]!.ws.close();
    await clients[at + 1]!.next("auth_response");
  }
  assert.deepEqual(order, ["d-0/presence", "d-1/presence", "d-2/presence", "d-3/presence"]);
});

test("websocket closes with 1013 who finds the line full", async () => {
  await using listener = await openListener({ maxConnections: 1, waitingLine: { length: 1, time: "60s" } });
  const inside = await listener.connect("d-1");
  const waiting = await listener.connect();
  assert.equal((await (await listener.connect()).closed).code, 1013);
  assert.equal(listener.gateway.metric('busbar_websocket_full_total{reason="line-full"}'), 1);
  inside.ws.close();
  await waiting.login("d-2");
});

test("websocket closes with 1013 whose time in the line is spent", async () => {
  const clock = fakeClock();
  await using listener = await openListener({ maxConnections: 1, waitingLine: { time: "10s" } }, { clock });
  const inside = await listener.connect("d-1");
  const waiting = await listener.connect();
  await listener.until(() => listener.gateway.metric("busbar_websocket_waiting") === 1, "one waits");
  await clock.advance(9999);
  assert.equal(listener.gateway.metric("busbar_websocket_waiting"), 1);
  await clock.advance(1);
  assert.equal((await waiting.closed).code, 1013);
  assert.equal(listener.gateway.metric('busbar_websocket_full_total{reason="time"}'), 1);
  await inside.settled();
});

test("websocket gives the time to authenticate only to who has a place", async () => {
  const clock = fakeClock();
  await using listener = await openListener({ maxConnections: 1, authTimeout: "5s", waitingLine: { time: "60s" } }, { clock });
  const inside = await listener.connect("d-1");
  const waiting = await listener.connect();
  await clock.advance(20_000);
  inside.ws.close();
  await listener.until(() => listener.gateway.metric("busbar_websocket_waiting") === 0, "nobody waits");
  await waiting.login("d-2");
});

for (const [how, leave] of [["with a close frame", "close"], ["without a word", "destroy"]] as const) {
  test(`websocket notices a waiter that leaves ${how}, and its place in the line is free`, async () => {
    await using listener = await openListener({ maxConnections: 1, waitingLine: { length: 1, time: "60s" } });
    const { gateway } = listener;
    const inside = await listener.connect("d-1");
    const first = await listener.raw();
    await listener.until(() => gateway.metric("busbar_websocket_waiting") === 1, "one waits");
    first.sendJson(auth("d-2"));
    if (leave === "close") first.write(rawFrame(8, Buffer.from([0x03, 0xe8])));
    else first.socket.destroy();
    await listener.until(() => gateway.metric("busbar_websocket_waiting") === 0, "nobody waits");
    const second = await listener.connect();
    inside.ws.close();
    await second.login("d-3");
    assert.equal(gateway.metric("busbar_devices_online"), 1);
  });
}

test("websocket loses nothing of what is sent by who waits, however much it is", async () => {
  await using listener = await openListener({ maxConnections: 1, waitingLine: { time: "60s" } });
  const { gateway } = listener;
  const seen: unknown[] = [];
  gateway.bus.subscribe("status/d-2", ({ payload }) => void seen.push((payload as { n: number }).n));
  const inside = await listener.connect("d-1");
  const waiting = await listener.connect();
  waiting.send(auth("d-2"));
  const total = 500; // some 500 KiB: far more than is read of a waiter
  for (let n = 0; n < total; n++) waiting.send({ type: "status", payload: { n, fill: "x".repeat(1000) } });
  await listener.until(() => gateway.metric("busbar_websocket_waiting") === 1, "one waits");
  inside.ws.close();
  await waiting.next("auth_response");
  await waiting.settled();
  assert.deepEqual(seen, Array.from({ length: total }, (_, n) => n));
});

test("websocket answers a ping of who waits", async () => {
  await using listener = await openListener({ maxConnections: 1, waitingLine: { time: "60s" } });
  await listener.connect("d-1");
  const waiting = await listener.raw();
  waiting.write(rawFrame(9, "still there?"));
  const pong = await waiting.frames.next();
  assert.deepEqual([pong.opcode, pong.payload.toString()], [10, "still there?"]);
});

test("websocket reads a bounded amount of who waits", async () => {
  await using listener = await openListener({ maxConnections: 1, frameLimit: "64MiB", waitingLine: { time: "60s" } });
  const inside = await listener.connect("d-1");
  const flood = await listener.raw();
  const block = rawFrame(2, new Uint8Array(1024 * 1024));
  const blocks = 32; // more than the buffers of both ends of a socket
  let written = 0;
  for (let count = 0; count < blocks; count++) flood.socket.write(block, (error) => void (error || written++));
  for (let count = 0; count < 2 * blocks; count++) inside.send({ type: "ping", fill: "x".repeat(1024 * 1024) });
  for (let count = 0; count < 2 * blocks; count++) await inside.next("pong"); // meanwhile twice as much has come from another
  assert.ok(written < blocks, "all of it was taken");
});

test("websocket closes with 1013 beyond `perAddress` connections from one address", async () => {
  await using listener = await openListener({ perAddress: 2 });
  const first = await listener.connect("d-1");
  await listener.connect("d-2");
  assert.deepEqual(await (await listener.connect()).closed, { code: 1013, reason: "too many connections from one address" });
  assert.equal(listener.gateway.metric('busbar_websocket_full_total{reason="address"}'), 1);
  first.ws.close();
  await first.closed;
  await listener.until(() => listener.gateway.metric("busbar_websocket_connections") === 1, "one has left");
  await listener.connect("d-3");
});

test("websocket closes with 1001 who still waits when it stops", async () => {
  await using listener = await openListener({ maxConnections: 1, waitingLine: { time: "60s" } });
  const inside = await listener.connect("d-1");
  const waiting = [await listener.connect(), await listener.connect()];
  await listener.until(() => listener.gateway.metric("busbar_websocket_waiting") === 2, "two wait");
  const began = performance.now();
  await listener.gateway.stop();
  assert.ok(performance.now() - began < 2000);
  for (const { closed } of [inside, ...waiting]) assert.equal((await closed).code, 1001);
});
