import assert from "node:assert/strict";
import { test } from "node:test";
import type { Envelope } from "@busbar/core";
import { testPlugin, until, type TestGateway } from "@busbar/core/testkit";
import type { IPublishPacket } from "mqtt-packet";
import mqtt from "./mod.ts";
import { Broker, said, type Peer } from "./testing/broker.ts";
import { Mosquitto, noMosquitto } from "./testing/mosquitto.ts";

const quick = { reconnect: { min: 10, max: 30 }, out: [{ topics: ["status/#"] }] };

/** A gateway, and what became a dead letter in it: the payloads, with the reason. */
async function sending(config: Record<string, unknown>): Promise<{ readonly gateway: TestGateway; readonly dead: (readonly [unknown, string])[]; send(count: number): Promise<void> } & AsyncDisposable> {
  const gateway = await testPlugin(mqtt, { ...quick, ...config });
  const dead: (readonly [unknown, string])[] = [];
  gateway.bus.subscribe("dead-letter/#", ({ payload }) => {
    if (typeof payload === "object" && payload !== null && "message" in payload) dead.push([(payload.message as Envelope).payload, (payload as unknown as { reason: string }).reason]);
  });
  const send = async (count: number): Promise<void> => void (await Promise.all(Array.from({ length: count }, (_, n) => gateway.bus.deliver({ type: "status", from: "a", payload: n, qos: 1 }))));
  return { gateway, dead, send, [Symbol.asyncDispose]: () => gateway.stop() };
}

const published = (gateway: TestGateway): number => gateway.metric('busbar_mqtt_published_total{instance="subject"}');

/** Acknowledges everything but `7` and `8`, which get this reason code. */
const refusing = (code: number, times = Number.POSITIVE_INFINITY) => {
  let count = 0;
  return (packet: IPublishPacket, peer: Peer): void => peer.ack(packet, (said(packet) === 7 || said(packet) === 8) && count++ < times ? code : 0);
};

test("mqtt makes dead letters of what the broker refuses for good, and sends the rest", async () => {
  for (const [code, text] of [[0x87, "0x87 not authorized"], [0x90, "0x90 topic name invalid"], [0x99, "0x99 payload format invalid"]] as const) {
    for (const qos of [1, 2]) {
      await using broker = await Broker.start({ publish: refusing(code) });
      await using it = await sending({ url: broker.url, qos });
      await it.send(20);
      await until("both are dead letters", () => it.dead.length === 2);
      assert.deepEqual(it.dead, [[7, `the broker refused it: ${text}`], [8, `the broker refused it: ${text}`]]);
      await until("the rest is published", () => published(it.gateway) === 18);
      assert.equal(broker.published.length, 20, "each was sent once");
      assert.equal(broker.peers.length, 1);
    }
  }
});

test("mqtt sends again what the broker refuses for now, and only that", async () => {
  await using broker = await Broker.start({ publish: refusing(0x97, 5) });
  await using it = await sending({ url: broker.url, inFlight: 1 });
  await it.send(20);
  await until("all is published", () => published(it.gateway) === 20);
  const order = broker.published.map(said);
  assert.deepEqual(order, [0, 1, 2, 3, 4, 5, 6, 7, 7, 7, 7, 7, 7, ...Array.from({ length: 12 }, (_, n) => n + 8)], "one at a time, nothing passes it");
  assert.deepEqual(it.dead, []);
});

test("mqtt takes an answer that leaves open what it means for a refusal the fifth time", async () => {
  await using broker = await Broker.start({ publish: refusing(0x83) });
  await using it = await sending({ url: broker.url });
  await it.send(20);
  await until("both are dead letters", () => it.dead.length === 2);
  assert.equal(broker.published.filter((packet) => said(packet) === 7).length, 5);
  assert.equal(published(it.gateway), 18);
});

test("mqtt finds the message over which the broker ends the connection, and makes a dead letter of it alone", async () => {
  await using broker = await Broker.start({
    publish(packet, peer) {
      if (said(packet) !== 7) return peer.ack(packet);
      peer.send({ cmd: "disconnect", reasonCode: 0x95 });
      peer.socket.end();
    },
  });
  await using it = await sending({ url: broker.url });
  await it.send(20);
  await until("all is settled", () => it.dead.length === 1 && published(it.gateway) === 19);
  assert.deepEqual(it.dead, [[7, "the broker refused it: the broker closed the connection: 0x95 packet too large"]]);
  assert.equal(broker.peers.length, 3, "one connection for the batch, one that finds it, one for the rest");
});

test("mqtt finds the message upon which a 3.1.1 broker hangs up without a word", async () => {
  await using broker = await Broker.start({ publish: (packet, peer) => void (said(packet) === 7 ? peer.socket.end() : peer.ack(packet)) });
  await using it = await sending({ url: broker.url, protocolVersion: 4 });
  await it.send(20);
  await until("all is settled", () => it.dead.length === 1 && published(it.gateway) === 19);
  assert.deepEqual(it.dead, [[7, "the broker refused it: the broker closed the connection"]]);
});

test("mqtt makes no dead letter of messages though the broker hangs up every few of them, or shuts down", async () => {
  let count = 0;
  await using broker = await Broker.start({
    publish(packet, peer) {
      if (++count % 7 !== 0) return peer.ack(packet);
      if (count % 2 === 0) peer.send({ cmd: "disconnect", reasonCode: 0x8b });
      peer.socket.end();
    },
  });
  await using it = await sending({ url: broker.url });
  await it.send(100);
  await until("all is published", () => published(it.gateway) === 100);
  assert.deepEqual(it.dead, []);
});

test("mqtt sends nothing longer than the broker takes or the config says: it is a dead letter", async () => {
  await using broker = await Broker.start({ connack: () => ({ properties: { maximumPacketSize: 300, maximumQoS: 0, retainAvailable: false } }) });
  await using it = await sending({ url: broker.url, out: [{ topics: ["#"], retain: "always" }] });
  await it.gateway.bus.deliver({ type: "status", from: "a", payload: "x".repeat(300), qos: 1 });
  await it.gateway.bus.deliver({ type: "status", from: "a", payload: "y", qos: 1 });
  await until("both are settled", () => it.dead.length === 1 && broker.published.some((packet) => packet.topic === "status/a"));
  assert.equal(it.dead[0]![1], "the broker refused it: 0x95 packet too large");
  const [packet] = broker.published.filter(({ topic }) => topic === "status/a");
  assert.deepEqual([packet!.qos, packet!.retain, said(packet!)], [0, false, "y"]);
  await using older = await Broker.start();
  await using that = await sending({ url: older.url, protocolVersion: 4, maxPacket: 100 });
  await that.gateway.bus.deliver({ type: "status", from: "a", payload: "x".repeat(100), qos: 1 });
  await until("it is a dead letter", () => that.dead.length === 1);
});

test("mqtt makes dead letters of what Mosquitto's rights and limits refuse", { skip: noMosquitto ?? false }, async () => {
  await using broker = await Mosquitto.start(["acl_file $folder/acl", "message_size_limit 1000"], { acl: "topic readwrite status/ok\n" });
  await using it = await sending({ url: broker.url });
  const say = (from: string, payload: unknown) => it.gateway.bus.deliver({ type: "status", from, payload, qos: 1 });
  await Promise.all([say("ok", 1), say("secret", 2), say("ok", "x".repeat(1200)), say("ok", 3)]);
  await until("all is settled", () => it.dead.length === 2 && published(it.gateway) === 2);
  assert.deepEqual(it.dead[0], [2, "the broker refused it: 0x87 not authorized"]);
  assert.match(it.dead[1]![1], /^the broker refused it: the broker sent what is not MQTT: Invalid puback reason code/); // Mosquitto's 0x95 is none that a PUBACK may have
});
