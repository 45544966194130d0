import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { openSessions, settle, type Peer } from "./limits-fixture.ts";

const mebibyte = 1024 * 1024;

/** Bytes that are used after everything unused is gone; undefined where the runtime cannot be asked to. */
function used(): number | undefined {
  if ("Deno" in globalThis) return undefined;
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  collect();
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

const subscribe = (peer: Peer, topic: string, more: object): void => peer.send({ type: "subscribe", topic, ...more });

test("a session that acknowledges nothing holds no more than `buffer` in deliveries, whatever its subscriptions; the rest comes from the journal", async () => {
  await using subject = await openSessions();
  const peer = subject.connect({ limits: { buffer: mebibyte } });
  for (let at = 0; at < 50; at++) subscribe(peer, `status/s${at}`, { qos: 1, ref: `r${at}` });
  const fill = "x".repeat(100_000);
  for (let at = 0; at < 50; at++) await subject.gateway.bus.deliver({ type: "status", from: `s${at}`, msgid: `m${at}`, payload: { at, fill } });
  await settle();
  const got = () => peer.said.filter(({ type }) => type === "status");
  assert.ok(got().length >= 10 && got().length <= 12, `${got().length} of 100 KB each were sent`);
  let acknowledged = 0;
  for (let turn = 0; turn < 200 && acknowledged < 50; turn++) {
    for (const frame of got().slice(acknowledged)) peer.send({ type: "ack", msgid: frame["msgid"], offset: frame["offset"] });
    acknowledged = Math.max(acknowledged, got().length);
    await subject.clock.advance(1000);
    await settle();
  }
  assert.deepEqual(new Set(got().map(({ msgid }) => msgid)).size, 50, "all of them came");
});

test("a session that does everything wrong at once takes no more memory than its limits add up to", async () => {
  await using subject = await openSessions();
  const before = used();
  const peer = subject.connect({ limits: { buffer: 4 * mebibyte, slowConsumer: "drop-oldest" } });
  for (let at = 0; at < 100; at++) subscribe(peer, at % 2 === 0 ? "status/#" : `status/+${"/+".repeat(at % 30)}`, { qos: at % 3 === 0 ? 1 : 0, ref: `${at}`.padEnd(256, "r"), ...(at % 2 === 0 ? { overflow: "drop-oldest", limit: 100_000 } : {}) });
  peer.said.length = 0;
  peer.buffered = 2 * mebibyte; // it reads nothing: everything waits
  const fill = "x".repeat(20_000);
  for (let n = 0; n < 5000; n++) subject.gateway.bus.publish({ type: "status", from: `s${n % 100}`, payload: { n, fill } }); // 100 MB
  for (let n = 0; n < 300; n++) await subject.gateway.bus.deliver({ type: "status", from: "stored", msgid: `m${n}`, payload: { n, fill: fill.slice(0, 100) } });
  await settle();
  const after = used();
  if (before !== undefined && after !== undefined) assert.ok(after - before < 32 * mebibyte, `it takes ${((after - before) / mebibyte).toFixed(1)} MiB`);
  assert.ok(subject.gateway.metric('busbar_dropped_total{of="peers",reason="drop-oldest"}') > 1000);
});

test("a payload beyond `payload` or `nesting` is refused, and the session goes on", async () => {
  await using subject = await openSessions();
  const peer = subject.connect({ limits: { payload: 100, nesting: 2 } });
  const codes = (): readonly unknown[] => peer.said.map(({ code, type }) => code ?? type);
  peer.send({ type: "status", msgid: "a", qos: 1, payload: "x".repeat(97) });
  await settle();
  peer.send({ type: "status", msgid: "b", qos: 1, payload: "x".repeat(99) });
  peer.send({ type: "status", msgid: "c", qos: 1, payload: [[[]]] });
  peer.send({ type: "status", msgid: "d", qos: 1, payload: [{ a: 1 }] });
  await settle();
  assert.deepEqual([codes(), peer.closed], [["ack", "TOO_LARGE", "BAD_FRAME", "ack"], []]);
});
