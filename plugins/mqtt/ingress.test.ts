import assert from "node:assert/strict";
import { test } from "node:test";
import type { Envelope } from "@busbar/core";
import { testPlugin, until } from "@busbar/core/testkit";
import type { IPublishPacket, Packet } from "mqtt-packet";
import mqtt from "./mod.ts";
import { Broker, type Peer } from "./testing/broker.ts";

const quick = { reconnect: { min: 10, max: 50 } };

const publish = (topic: string, payload: string | Uint8Array, more: Partial<IPublishPacket> = {}): IPublishPacket => ({ cmd: "publish", topic, payload: Buffer.from(payload as string), qos: 1, messageId: 1, dup: false, retain: false, ...more });

/** A gateway that has subscribed, what its bus saw, and the broker's end of the connection. */
async function subscribed(broker: Broker, config: Record<string, unknown>) {
  const gateway = await testPlugin(mqtt, { ...quick, url: broker.url, ...config });
  const seen: Envelope[] = [];
  gateway.bus.subscribe("#", (message) => void (message.type !== "audit" && seen.push(message)));
  await until("it has subscribed", () => broker.peer("in")?.packets.some(({ cmd }) => cmd === "subscribe") ?? false);
  return { gateway, seen, peer: broker.peer("in")!, [Symbol.asyncDispose]: () => gateway.stop() };
}

const acks = (peer: Peer): Packet[] => peer.packets.filter(({ cmd }) => cmd === "puback" || cmd === "pubrec" || cmd === "pubcomp");

test("mqtt takes what the broker sends onto the bus: topics by pattern, JSON as payload, anything else as bytes", async () => {
  await using broker = await Broker.start();
  await using it = await subscribed(broker, { allowWrites: true, in: [{ topics: ["zigbee2mqtt/+", "x/+/y/#"], from: "zigbee/{1}" }, { topics: ["order/#"], type: "command", to: "lamp/{1}", from: "upstream" }, { topics: ["raw"], retain: "never" }] });
  const { peer, seen } = it;
  peer.send(publish("zigbee2mqtt/Living room Übersicht", '{"on":true,"id":9007199254740993}', { messageId: 1, retain: true }));
  peer.send(publish("x/7/y/z", "21.5 °C", { messageId: 2 }));
  peer.send(publish("order/1/dim", "null", { messageId: 3, qos: 2 }));
  peer.send(publish("raw", "", { messageId: 4, retain: true, qos: 0 }));
  await until("all are there", () => seen.length === 4);
  const found = [...seen].sort((a, b) => a.topic.localeCompare(b.topic)).map(({ topic, from, to, qos, retain, payload }) => [topic, from, to, qos, retain, payload instanceof Uint8Array ? Buffer.from(payload).toString() : payload]);
  assert.deepEqual(found, [
    ["command/lamp/1/dim", "upstream", "lamp/1/dim", 2, false, null],
    ["status/subject/raw", "subject/raw", "server", 0, false, ""],
    ["status/zigbee/7", "zigbee/7", "server", 1, false, "21.5 °C"],
    ["status/zigbee/Living_room__bersicht", "zigbee/Living_room__bersicht", "server", 1, true, { on: true, id: 9007199254740992 }],
  ]);
  await until("all are acknowledged", () => acks(peer).length === 4);
  assert.deepEqual(acks(peer).map(({ cmd, messageId }) => [cmd, messageId]), [["puback", 1], ["puback", 2], ["pubrec", 3], ["pubcomp", 3]]);
  assert.equal(it.gateway.metric('busbar_mqtt_received_total{instance="subject"}'), 4);
});

test("mqtt subscribes anew at each connection, with a session that the broker keeps", async () => {
  await using broker = await Broker.start();
  await using it = await subscribed(broker, { clientId: "line-1", in: [{ topics: ["a/#"], qos: 2 }] });
  const { clientId, clean, properties } = it.peer.connect;
  assert.deepEqual([clientId, clean, properties?.sessionExpiryInterval, properties?.receiveMaximum, properties?.maximumPacketSize], ["line-1-in", false, 604_800, 1000, 1_048_576]);
  it.peer.socket.destroy();
  await until("it is back", () => broker.peers.length === 2 && broker.peers[1]!.packets.length === 1);
  assert.deepEqual(broker.peers.map((peer) => (peer.packets[0] as { subscriptions?: unknown }).subscriptions), Array(2).fill([{ topic: "a/#", qos: 2, nl: false, rap: true, rh: 1 }]));
});

test("mqtt acknowledges in the order of arrival, each only once the journal has it", async () => {
  await using broker = await Broker.start();
  await using it = await subscribed(broker, { in: [{ topics: ["a/#"], from: "{1}" }] });
  let acknowledged = 0;
  const stored: number[] = [];
  it.gateway.bus.subscribe("status/#", ({ payload }) => void stored.push((payload as { n: number }).n));
  for (let n = 0; n < 500; n++) it.peer.send(publish("a/x", JSON.stringify({ n }), { messageId: n + 1 }));
  await until("all are acknowledged", () => {
    acknowledged = acks(it.peer).length;
    assert.ok(acknowledged <= stored.length, `${acknowledged} acknowledged, ${stored.length} stored`);
    return acknowledged === 500;
  });
  assert.deepEqual(stored, Array.from({ length: 500 }, (_, n) => n));
  assert.deepEqual(acks(it.peer).map(({ messageId }) => messageId), Array.from({ length: 500 }, (_, n) => n + 1));
});

test("mqtt stores a redelivery once where the message brings an id, as user property or in its payload, and twice where it brings none", async () => {
  await using broker = await Broker.start();
  await using it = await subscribed(broker, { in: [{ topics: ["a/+"], from: "a", msgid: "head.seq" }] });
  const { peer, seen } = it;
  const three = [
    publish("a/1", "1", { messageId: 1, properties: { userProperties: { msgid: "m-1", from: "far", timestamp: "1700000000000" } } }),
    publish("a/2", '{"head":{"seq":7}}', { messageId: 2 }),
    publish("a/3", "3", { messageId: 3 }),
  ];
  for (const packet of three) peer.send(packet);
  await until("they are acknowledged", () => acks(peer).length === 3);
  for (const packet of three) peer.send({ ...packet, dup: true });
  peer.send(publish("a/2", "1", { messageId: 4, properties: { userProperties: { msgid: "m-1", from: "far" } } })); // the same id on another topic is another message
  await until("all are acknowledged", () => acks(peer).length === 7);
  assert.deepEqual(seen.map(({ payload }) => payload), [1, { head: { seq: 7 } }, 3, 3, 1]);
  assert.equal(seen[0]!.timestamp, 1_700_000_000_000);
  assert.ok(seen.every(({ msgid }) => Buffer.byteLength(msgid) <= 64));
});

test("mqtt takes a message of QoS 2 once, also when the connection breaks between PUBREC and PUBREL", async () => {
  let connects = 0;
  await using broker = await Broker.start({ connack: () => ({ sessionPresent: connects++ > 0 }) });
  await using it = await subscribed(broker, { in: [{ topics: ["a"] }] });
  const packet = publish("a", "1", { qos: 2, messageId: 9 });
  const { peer, seen } = it;
  const { send } = peer;
  Object.assign(peer, { send: (one: Packet) => one.cmd !== "pubrel" && send(one) }); // its PUBREL is lost
  peer.send(packet);
  await until("it is received", () => acks(peer).length === 1);
  peer.socket.destroy();
  await until("it is back", () => broker.peers.length === 2 && broker.peers[1]!.packets.some(({ cmd }) => cmd === "subscribe"));
  broker.peers[1]!.send({ ...packet, dup: true });
  await until("it is complete", () => acks(broker.peers[1]!).length === 2);
  assert.deepEqual(acks(broker.peers[1]!).map(({ cmd }) => cmd), ["pubrec", "pubcomp"]);
  assert.equal(seen.length, 1);
  broker.peers[1]!.send(packet);
  await until("another one of the same packet id is another message", () => seen.length === 2);
});

test("mqtt refuses what makes no envelope, says so, counts it and goes on", async () => {
  await using broker = await Broker.start();
  await using it = await subscribed(broker, { in: [{ topics: ["env"], format: "envelope" }, { topics: ["by/sender"], from: "far/{from}" }, { topics: ["long/#"] }] });
  const { peer, seen } = it;
  peer.send(publish("env", "[]", { messageId: 1 }));
  peer.send(publish("env", '{"type":"Status","from":"a","payload":1}', { messageId: 2 }));
  peer.send(publish("by/sender", "1", { messageId: 3 }));
  peer.send(publish("long/" + "x".repeat(300), "1", { messageId: 4 }));
  peer.send(publish("not/asked/for", "1", { messageId: 5 }));
  peer.send(publish("env", '{"type":"event","from":"server","payload":1}', { messageId: 6, properties: { userProperties: { from: "x" } } }));
  peer.send(publish("by/sender", "1", { messageId: 7, properties: { userProperties: { from: "../x" } } }));
  peer.send(publish("env", '{"type":"event","from":"door/1","payload":{"$base64":"AQ=="},"msgid":"e1","timestamp":5}', { messageId: 8 }));
  await until("all are answered", () => acks(peer).length === 8);
  assert.deepEqual(acks(peer).map((ack) => (ack as { reasonCode: number }).reasonCode), [0x99, 0x99, 0x99, 0x99, 0x99, 0, 0, 0]);
  assert.deepEqual(seen.map(({ topic, from, timestamp }) => [topic, from, timestamp === 5]), [["event/subject/server", "subject/server", false], ["status/far/__/x", "far/__/x", false], ["event/subject/door/1", "subject/door/1", true]]);
  assert.deepEqual(seen[2]!.payload, new Uint8Array([1]));
  assert.equal(it.gateway.metric('busbar_mqtt_refused_total{instance="subject"}'), 5);
});

test("mqtt closes the connection when the journal takes nothing, and the broker's copy comes in once it does again", async () => {
  const { createMemoryJournal, BusbarError, definePlugin, JournalPort } = await import("@busbar/core");
  const v = await import("valibot");
  let full = true;
  const journal = createMemoryJournal();
  const append = journal.append.bind(journal);
  Object.assign(journal, { append: (batch: readonly Envelope[]) => (full && batch.some(({ type }) => type === "status") ? Promise.reject(new BusbarError("OVERLOAD", "disk full")) : append(batch)) });
  const storage = definePlugin({ name: "full-storage", description: "A journal on a full disk", config: v.strictObject({}), provides: { journal: JournalPort }, setup: () => ({ journal }) });
  let sent = 0;
  await using broker = await Broker.start({ subscribed: (_packet, peer) => (sent++, peer.send(publish("a", "1", { messageId: 1, dup: sent > 1, properties: { userProperties: { msgid: "m1" } } }))) });
  await using gateway = await testPlugin(mqtt, { ...quick, url: broker.url, in: [{ topics: ["a"] }] }, { plugins: { storage: [storage, {}] } });
  await until("it has come back several times", () => sent >= 3);
  assert.equal(broker.peers.flatMap(acks).length, 0);
  assert.equal(gateway.metric('busbar_mqtt_received_total{instance="subject"}'), 0);
  full = false;
  await until("it is acknowledged", () => broker.peers.flatMap(acks).length > 0);
  assert.equal(gateway.metric('busbar_mqtt_received_total{instance="subject"}'), 1);
});

test("mqtt drops a broker that sends a packet longer than maxReceive, more than it may, or what is no MQTT", async () => {
  const told: Record<string, (peer: Peer) => void> = {
    "the broker sends a packet of more than 1000 bytes (maxReceive)": (peer) => peer.socket.write(Buffer.concat([Buffer.from([0x30, 0x80, 0x80, 0x80, 0x01]), Buffer.alloc(2000)])),
    "the broker broke the protocol: pingreq, which it never sends": (peer) => peer.send({ cmd: "pingreq" }),
    "the broker broke the protocol: puback for packet id 77, which is not in use": (peer) => peer.send({ cmd: "puback", messageId: 77 }),
    "the broker broke the protocol: a publish without a topic, though no topic alias was agreed on": (peer) => peer.send(publish("", "1", { qos: 0, properties: { topicAlias: 1 } })),
    "the broker closed the connection: 0x8b server shutting down (see you)": (peer) => peer.send({ cmd: "disconnect", reasonCode: 0x8b, properties: { reasonString: "see you" } }),
  };
  for (const [reason, act] of Object.entries(told)) {
    await using broker = await Broker.start();
    await using it = await subscribed(broker, { in: [{ topics: ["#"] }], maxReceive: 1000 });
    act(it.peer);
    await until(reason, () => it.gateway.log.some(({ fields }) => fields["reason"] === reason));
    await until("it connects again", () => broker.peers.length > 1);
  }
});

test("mqtt says which subscription the broker does not grant, and asks again", async () => {
  let asked = 0;
  await using broker = await Broker.start({ granted: () => (asked++ < 2 ? [1, 0x87] : [1, 1]) });
  await using gateway = await testPlugin(mqtt, { ...quick, url: broker.url, in: [{ topics: ["a", "b"] }] });
  await until("it is granted", () => gateway.log.some(({ message }) => message === "connected to the broker"));
  assert.equal(asked, 3);
  assert.deepEqual(gateway.log.flatMap(({ fields }) => ("reason" in fields ? [fields["reason"]] : [])), ['the broker does not grant the subscription to "b": 0x87 not authorized']);
  assert.equal(gateway.metric('busbar_mqtt_connected{direction="in",instance="subject"}'), 1);
});

test("mqtt acknowledges what has come before it says goodbye", async () => {
  await using broker = await Broker.start();
  const it = await subscribed(broker, { in: [{ topics: ["a"] }] });
  const arrived = new Promise<void>((resolve) => it.peer.socket.once("data", () => resolve()));
  for (let n = 1; n <= 200; n++) it.peer.send(publish("a", String(n), { messageId: n }));
  await arrived; // of its first acknowledgements; the rest is on its way
  await it.gateway.stop();
  await until("goodbye is said", () => it.peer.packets.at(-1)!.cmd === "disconnect");
  assert.equal(acks(it.peer).length, it.seen.length, "as many as are in the journal");
});

test("mqtt does not wait for ever for a SUBACK, nor keep the gateway from stopping meanwhile", async () => {
  await using broker = await Broker.start({ granted: () => [] });
  const { gateway, peer } = await subscribed(broker, { in: [{ topics: ["a"] }], connectTimeout: 100 });
  await until("it tries again", () => broker.peers.length === 3);
  assert.ok(gateway.log.some(({ fields }) => fields["reason"] === "not connected within 100 ms"));
  await gateway.stop();
  assert.ok(!gateway.log.some(({ message }) => message.includes("does not stop")));
  assert.ok(peer.socket.destroyed);
});
