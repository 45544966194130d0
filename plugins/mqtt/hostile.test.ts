import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock, type Envelope } from "@busbar/core";
import { testPlugin, until } from "@busbar/core/testkit";
import storageSqlite from "@busbar/storage-sqlite";
import type { IPublishPacket } from "mqtt-packet";
import mqtt from "./mod.ts";
import { Broker, property, said } from "./testing/broker.ts";

/** Numbers that look random and come again with the same seed (mulberry32). */
function seeded(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

test("mqtt brings everything through to a broker that hangs up, keeps silent, is slow and refuses at random, in order per source, doubled only where an acknowledgement was lost", async (t) => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  t.diagnostic(`seed ${seed}`);
  const random = seeded(seed);
  let calm = false;
  let hungUp = 0;
  await using broker = await Broker.start({
    connack: () => (calm || random() < 0.9 ? {} : undefined),
    publish(packet, peer) {
      const chance = calm ? 1 : random();
      if (chance < 0.01) peer.socket.end(() => hungUp++);
      else if (chance < 0.015) peer.socket.pause(); // and never reads again: half-open
      else if (chance < 0.02) return; // this one is never acknowledged
      else if (chance < 0.1) systemClock.after(random() * 20, () => peer.ack(packet));
      else peer.ack(packet);
    },
  });
  await using gateway = await testPlugin(mqtt, { url: broker.url, out: [{ topics: ["status/#", "event/#"] }], reconnect: { min: 10, max: 20 }, ackTimeout: 200, connectTimeout: 200, inFlight: 20, batch: { count: 50 } });
  const sources = ["a", "b", "c"];
  const count = 400;
  const acknowledged = (): number => gateway.metric('busbar_mqtt_published_total{instance="subject"}');
  for (let n = 0; n < count; n++) await Promise.all(sources.map((from) => gateway.bus.deliver({ type: n % 50 === 49 ? "event" : "status", from, msgid: `${from}-${n}`, payload: n, qos: 1 })));
  await until("most is acknowledged", () => acknowledged() > count * sources.length * 0.9);
  calm = true;
  await until("all is acknowledged", () => acknowledged() === count * sources.length);
  for (const from of sources) {
    for (const type of ["status", "event"]) {
      const order = [...new Set(broker.published.filter(({ topic }) => topic === `${type}/${from}`).map((packet) => said(packet) as number))];
      const wanted = Array.from({ length: count }, (_, n) => n).filter((n) => (n % 50 === 49) === (type === "event"));
      assert.deepEqual(order, wanted, `${type} of ${from}: first copies, seed ${seed}`);
    }
  }
  const ids = new Set(broker.published.map((packet) => property(packet, "msgid")));
  assert.equal(ids.size, count * sources.length);
  const doubles = broker.published.length - ids.size;
  assert.ok(doubles <= 20 * broker.peers.length, `${doubles} doubles over ${broker.peers.length} connections`);
  t.diagnostic(`${broker.published.length} publishes, ${doubles} doubles, ${broker.peers.length} connections, ${hungUp} of them hung up`);
});

test("mqtt stores once what the broker sends again because the gateway was gone before its acknowledgement arrived", async () => {
  const folder = mkdtempSync(join(tmpdir(), "busbar-mqtt-"));
  const storage = { plugins: { storage: [storageSqlite, { file: join(folder, "journal.db") }] } } as const;
  const acknowledged = new Set<number>();
  const messages = Array.from({ length: 20 }, (_, n): IPublishPacket => ({ cmd: "publish", topic: "a/x", payload: Buffer.from(String(n)), qos: n % 2 === 0 ? 1 : 2, messageId: n + 1, dup: false, retain: false, properties: { userProperties: { msgid: `m${n}`, from: "far" } } }));
  let deaf = true;
  await using broker = await Broker.start({
    connack: () => ({ sessionPresent: true }),
    subscribed: (_packet, peer) => messages.filter((one) => !acknowledged.has(one.messageId!)).forEach((one) => peer.send({ ...one, dup: broker.peers.length > 1 })),
  });
  try {
    for (let round = 0; round < 3; round++) {
      deaf = round < 2;
      await using gateway = await testPlugin(mqtt, { url: broker.url, in: [{ topics: ["a/#"], qos: 2, from: "{from}" }] }, storage);
      await until("all is taken", () => gateway.metric('busbar_mqtt_received_total{instance="subject"}') === 20);
      await until("all is acknowledged", () => new Set(broker.peers.at(-1)!.packets.filter(({ cmd }) => cmd === "puback" || cmd === "pubrec").map(({ messageId }) => messageId)).size === 20);
      if (!deaf) for (const { messageId } of messages) acknowledged.add(messageId!);
      broker.peers.at(-1)!.socket.destroy(); // what the gateway said is lost
    }
    await using gateway = await testPlugin(mqtt, { url: broker.url, in: [{ topics: ["a/#"], from: "{from}" }] }, storage);
    const stored: Envelope[] = [];
    gateway.bus.consume("check", "status/#", async (batch) => void stored.push(...batch.map(({ message }) => message)));
    await until("the journal is read", () => stored.length >= 20);
    await gateway.bus.deliver({ type: "status", from: "end", payload: "end" });
    await until("to its end", () => stored.at(-1)!.payload === "end");
    assert.deepEqual(stored.map(({ payload }) => payload), [...messages.keys(), "end"]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
