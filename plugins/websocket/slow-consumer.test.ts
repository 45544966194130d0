import assert from "node:assert/strict";
import { test } from "node:test";
import { openListener, type Listener } from "./testing/listener.ts";
import { rawFrame, type RawClient } from "./testing/raw-client.ts";

const buffer = 256 * 1024;
const config = { buffer: "256KiB" };
const fill = "x".repeat(8000);

/** A subscriber that has stopped reading. */
async function stalled(listener: Listener, more: object = {}): Promise<RawClient> {
  const raw = await listener.raw("slow");
  raw.sendJson({ type: "subscribe", topic: "status/#", ...more });
  await raw.json("subscribed");
  raw.socket.pause();
  return raw;
}

/** Publishes until it holds, a turn of the event loop after each 8 KiB. */
async function publishUntil(listener: Listener, holds: () => boolean, topicOf: (n: number) => string = () => "d-1"): Promise<number> {
  let n = 0;
  await listener.until(() => {
    if (holds()) return true;
    listener.gateway.bus.publish({ type: "status", from: topicOf(n++), payload: fill });
    return false;
  }, `after ${n} messages`);
  return n;
}

test("websocket closes with 4008 a subscriber that does not read, having queued no more than `buffer` and a message for it", async () => {
  await using listener = await openListener(config);
  const { gateway } = listener;
  const other = await (await listener.connect("other")).subscribe("status/#");
  const slow = await stalled(listener);
  const dropped = 'busbar_dropped_total{of="peers",reason="slow-consumer"}';
  const sent = await publishUntil(listener, () => gateway.metric(dropped) > 0);
  const { buffered } = gateway.log.find(({ message }) => message === "connection ended: it does not read fast enough")!.fields as { buffered: number };
  assert.ok(buffered > buffer && buffered <= buffer + fill.length + 1000, `${buffered} bytes were queued`);
  slow.socket.resume();
  assert.equal(await slow.closeCode(), 4008);
  for (let count = 0; count < sent; count++) assert.equal((await other.next("status"))["payload"], fill);
  assert.equal(gateway.metric(dropped), 1);
});

test("websocket with drop-newest drops and counts what a subscriber that does not read cannot take, and goes on when it reads again", async () => {
  await using listener = await openListener({ ...config, slowConsumer: "drop-newest" });
  const { gateway } = listener;
  const slow = await stalled(listener);
  const dropped = (): number => gateway.metric('busbar_dropped_total{of="peers",reason="slow-consumer"}');
  const sent = await publishUntil(listener, () => dropped() >= 20);
  slow.socket.resume();
  for (let count = 0; count < sent - dropped(); count++) assert.equal((await slow.json("status"))["payload"], fill);
  gateway.bus.publish({ type: "status", from: "d-1", payload: "after" });
  assert.equal((await slow.json("status"))["payload"], "after");
});

test("websocket with drop-newest ends with 4008 a peer that asks and never reads the answers", async () => {
  await using listener = await openListener({ ...config, slowConsumer: "drop-newest" });
  const slow = await stalled(listener);
  const refused = rawFrame(1, JSON.stringify({ type: "subscribe", topic: "status/#", ref: "r".repeat(5000), since: 1_000_000 }));
  void slow.flood(refused);
  await listener.until(() => listener.gateway.metric("busbar_sessions") === 0, "the session has ended");
});

test("websocket reads durable messages back from the journal for a subscriber that falls behind: none is lost, none doubled", async () => {
  await using listener = await openListener({ buffer: "4MiB", slowConsumer: "drop-newest" });
  const { gateway } = listener;
  const slow = await stalled(listener);
  const total = 2000; // 16 MB: more than both ends of a socket and the buffer hold
  await Promise.all(Array.from({ length: total }, (_, n) => gateway.bus.deliver({ type: "status", from: "d-1", payload: { n, fill } })));
  slow.socket.resume();
  let offset = 0;
  for (let n = 0; n < total; n++) {
    const frame = await slow.json("status");
    assert.equal((frame["payload"] as { n: number }).n, n);
    assert.ok((frame["offset"] as number) > offset);
    offset = frame["offset"] as number;
  }
  assert.equal(gateway.metric('busbar_dropped_total{of="peers",reason="slow-consumer"}'), 0);
});

test("websocket replays a long history of large messages to a subscriber without taking it for a slow one", async () => {
  await using listener = await openListener({ buffer: "1MiB" });
  const { gateway } = listener;
  const total = 400;
  await Promise.all(Array.from({ length: total }, (_, n) => gateway.bus.deliver({ type: "status", from: "d-1", payload: { n, fill } })));
  const client = await (await listener.connect("app")).subscribe("status/#", { since: 0 });
  for (let n = 0; n < total; n++) assert.equal(((await client.next("status"))["payload"] as { n: number }).n, n);
});

test("websocket cuts off a peer that does not read its close frame either", async () => {
  await using listener = await openListener(config);
  const slow = await stalled(listener);
  await publishUntil(listener, () => listener.gateway.metric("busbar_sessions") === 0);
  assert.equal(listener.gateway.metric("busbar_websocket_connections"), 1, "it has time to answer");
  await listener.until(() => listener.gateway.metric("busbar_websocket_connections") === 0, "it is gone");
  slow.socket.resume();
  await slow.ended;
});

test("websocket answers a flood of pings from a peer that never reads with a bounded number of pongs", async () => {
  await using listener = await openListener(config);
  const slow = await stalled(listener);
  const pings = Buffer.concat(Array.from({ length: 500 }, () => rawFrame(9, new Uint8Array(125))));
  void slow.flood(pings);
  await listener.until(() => listener.gateway.metric("busbar_sessions") === 0, "the connection has ended");
});

test("websocket with overflow latest gives a subscriber that stalls the newest of each topic when it reads again", async () => {
  await using listener = await openListener(config);
  const { gateway } = listener;
  const slow = await stalled(listener, { overflow: "latest" });
  const dropped = (): number => gateway.metric('busbar_dropped_total{of="peers",reason="latest"}');
  const sent = await publishUntil(listener, () => dropped() >= 200, (n) => `d-${n % 10}`);
  for (let n = 0; n < 10; n++) gateway.bus.publish({ type: "status", from: `d-${n}`, payload: "newest" });
  slow.socket.resume();
  const last = new Map<unknown, unknown>();
  for (let count = 0; count < sent + 10 - dropped(); count++) {
    const frame = await slow.json("status");
    last.set(frame["from"], frame["payload"]);
  }
  assert.deepEqual([...last.values()], Array.from({ length: 10 }, () => "newest"));
  gateway.bus.publish({ type: "status", from: "d-1", payload: "after" });
  assert.equal((await slow.json("status"))["payload"], "after");
});

test("websocket hands a subscriber more retained values than its buffer holds", async () => {
  await using listener = await openListener({ buffer: "64KiB" });
  const { gateway } = listener;
  const total = 300; // 2.4 MB
  for (let n = 0; n < total; n++) gateway.bus.publish({ type: "status", from: `d-${n}`, payload: { n, fill }, retain: true });
  const client = await (await listener.connect("app")).subscribe("status/#");
  for (let n = 0; n < total; n++) assert.equal(((await client.next("status"))["payload"] as { n: number }).n, n);
});
