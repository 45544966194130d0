import assert from "node:assert/strict";
import { test } from "node:test";
import { openListener } from "./testing/listener.ts";
import { RawClient, rawFrame } from "./testing/raw-client.ts";
import type { Client } from "./testing/client.ts";

const on = { compression: { enabled: true, threshold: "1KiB" } };
const offering = { perMessageDeflate: { threshold: 0 } };
const json = ["busbar.v1.json"];

/** Bytes of the server's frames so far. */
const received = (client: Client): number => (client.ws as unknown as { readonly _socket: { readonly bytesRead: number } })._socket.bytesRead;

test("websocket does not compress unless its config says so, even when the client offers it", async () => {
  await using listener = await openListener();
  const client = await listener.connect("app", json, offering);
  assert.equal(client.ws.extensions, "");
});

test("websocket compresses only for a client that offers it", async () => {
  await using listener = await openListener(on);
  assert.equal((await listener.connect("a", json)).ws.extensions, "");
  assert.match((await listener.connect("b", json, offering)).ws.extensions, /permessage-deflate/);
});

test("websocket compresses messages from the threshold on, and smaller ones not", async () => {
  await using listener = await openListener(on);
  const client = await (await listener.connect("app", json, offering)).subscribe("status/#");
  const cost = async (size: number): Promise<number> => {
    const before = received(client);
    listener.gateway.bus.publish({ type: "status", from: "d-1", payload: "x".repeat(size) });
    assert.equal(((await client.next("status"))["payload"] as string).length, size);
    return received(client) - before;
  };
  assert.ok((await cost(700)) > 700);
  assert.ok((await cost(100_000)) < 2000);
});

test("websocket keeps the order of large and small messages, compressed or not, both ways", async () => {
  await using listener = await openListener(on);
  const client = await (await listener.connect("app", json, offering)).subscribe("status/#");
  const sizes = [10, 200_000, 20, 5000, 900_000, 30, 1024, 1];
  for (const [n, size] of sizes.entries()) client.send({ type: "status", payload: { n, fill: "y".repeat(size) } });
  for (const [n, size] of sizes.entries()) {
    const { payload } = (await client.next("status")) as { payload: { n: number; fill: string } };
    assert.deepEqual([payload.n, payload.fill.length], [n, size]);
  }
});

test("websocket closes with 1009 on a small frame that unpacks to more than the limit", async () => {
  await using listener = await openListener({ ...on, frameLimit: "64KiB" });
  const other = await listener.connect("other", json, offering);
  const client = await listener.connect("d-1", json, offering);
  client.send({ type: "status", payload: "x".repeat(1_000_000) });
  assert.equal((await client.closed).code, 1009);
  await other.settled();
});

test("websocket closes with 1007 on compressed bytes that are no deflate stream, again and again, and others do not notice", async () => {
  await using listener = await openListener(on);
  const other = await listener.connect("other", json, offering);
  for (const bytes of ["this is no deflate stream", "", "\xff\xff\xff\xff", "x".repeat(10_000)]) {
    const client = new RawClient(listener.port);
    client.upgrade("/ws", { headers: ["Sec-WebSocket-Extensions: permessage-deflate"] });
    await client.upgraded;
    client.write(rawFrame(1, Buffer.from(bytes, "latin1"), { rsv: 4 }));
    assert.equal(await client.closeCode(), bytes === "" ? 4400 : 1007);
    other.send({ type: "status", payload: "x".repeat(5000) });
    await other.settled();
  }
});

test("websocket ends a compressed connection that does not read, too", async () => {
  await using listener = await openListener({ ...on, buffer: "64KiB" });
  const client = await (await listener.connect("app", json, offering)).subscribe("status/#");
  client.ws.pause();
  let n = 0;
  await listener.until(() => {
    for (let count = 0; count < 20; count++) listener.gateway.bus.publish({ type: "status", from: "d-1", payload: Array.from({ length: 300 }, () => Math.sin(n++)) });
    return listener.gateway.metric("busbar_sessions") === 0;
  }, "the session has ended");
  client.ws.resume();
  assert.equal((await client.closed).code, 4008);
});

test("websocket bounds what it keeps of a waiter's compressed messages", async () => {
  await using listener = await openListener({ ...on, frameLimit: "1MiB", maxConnections: 1, waitingLine: { time: "60s" } });
  await listener.connect("d-1");
  const waiting = await listener.connect(undefined, json, offering);
  for (let count = 0; count < 10; count++) waiting.send({ type: "status", payload: "x".repeat(1_000_000) });
  assert.equal((await waiting.closed).code, 4029);
});
