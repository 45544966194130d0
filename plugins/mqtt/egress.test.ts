import assert from "node:assert/strict";
import { test } from "node:test";
import { testPlugin, until } from "@busbar/core/testkit";
import mqtt from "./mod.ts";
import { Broker, property, said } from "./testing/broker.ts";

const quick = { allowWrites: true, reconnect: { min: 10, max: 50 }, out: [{ topics: ["status/#", "event/#", "command/#"], to: "busbar/{topic}" }] };

/** Delivers `count` numbered messages of each of some sources. */
async function deliver(gateway: Awaited<ReturnType<typeof testPlugin>>, { count, sources = ["a", "b"], from = 0 }: { readonly count: number; readonly sources?: readonly string[]; readonly from?: number }): Promise<void> {
  const all: Promise<unknown>[] = [];
  for (let n = from; n < from + count; n++) for (const source of sources) all.push(gateway.bus.deliver({ type: "status", from: source, msgid: `${source}-${n}`, payload: { n }, qos: 1 }));
  await Promise.all(all);
}

/** The numbers that each source has said, in order. */
function numbers(broker: Broker, source: string): readonly number[] {
  return broker.published.filter((packet) => packet.topic === `busbar/status/${source}`).map((packet) => (said(packet) as { n: number }).n);
}

const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, n) => n);
const firsts = (list: readonly number[]): readonly number[] => [...new Set(list)];

test("mqtt sends what fits out, in order, with the envelope's fields as user properties", async () => {
  await using broker = await Broker.start();
  await using gateway = await testPlugin(mqtt, { ...quick, url: broker.url });
  await deliver(gateway, { count: 250 });
  await gateway.bus.deliver({ type: "event", from: "door", msgid: "e1", timestamp: 1_700_000_000_000, payload: new Uint8Array([1, 255]), qos: 1, retain: true });
  await gateway.bus.deliver({ type: "ack", from: "door", payload: 1 });
  await until("all is published", () => broker.published.length === 501);
  for (const source of ["a", "b"]) assert.deepEqual(numbers(broker, source), upTo(250));
  const event = broker.published.find((packet) => packet.topic === "busbar/event/door")!;
  assert.deepEqual([[...(event.payload as Buffer)], event.qos, event.retain, event.dup], [[1, 255], 1, true, false]);
  assert.deepEqual(["msgid", "from", "timestamp", "late"].map((name) => property(event, name)), ["e1", "door", "1700000000000", undefined]);
  assert.equal(event.properties?.contentType, undefined);
  const status = broker.published.find((packet) => packet.topic === "busbar/status/a")!;
  assert.deepEqual([status.properties?.contentType, status.properties?.payloadFormatIndicator], ["application/json", true]);
  assert.ok(Number(property(status, "offset")) > 0);
  await until("all is counted", () => gateway.metric('busbar_mqtt_published_total{instance="subject"}') === 501);
  assert.equal(gateway.metric('busbar_mqtt_connected{direction="out",instance="subject"}'), 1);
  assert.deepEqual(gateway.urls, [broker.url]);
});

test("mqtt sends whole envelopes as JSON with MQTT 3.1.1, and gives everything to QoS 0 and 2 too", async () => {
  for (const qos of [0, 2]) {
    await using broker = await Broker.start();
    await using gateway = await testPlugin(mqtt, { url: broker.url, protocolVersion: 4, qos, out: [{ topics: ["status/+"], to: "x/{id}/{type}", format: "envelope", retain: "always" }] });
    await gateway.bus.deliver({ type: "status", from: "a", msgid: "m1", timestamp: 5, payload: { big: "9007199254740993" }, qos: 1 });
    await until("it is published", () => broker.published.length === 1);
    const [packet] = broker.published;
    assert.deepEqual([packet!.topic, packet!.qos, packet!.retain, packet!.properties], ["x/a/status", qos, true, undefined]);
    const { via, offset, ...envelope } = said(packet!) as Record<string, unknown>;
    assert.deepEqual(envelope, { ver: "1.0", msgid: "m1", timestamp: 5, from: "a", to: "server", type: "status", qos: 1, retain: false, payload: { big: "9007199254740993" } });
    assert.deepEqual([(via as unknown[]).length, typeof offset], [1, "number"]);
    await until("it is counted", () => gateway.metric('busbar_mqtt_published_total{instance="subject"}') === 1);
  }
});

test("mqtt keeps no more publishes unacknowledged than inFlight and the broker's Receive Maximum", async () => {
  for (const [inFlight, receiveMaximum, most] of [[5, 100, 5], [100, 3, 3]] as const) {
    let waiting = 0;
    let peak = 0;
    await using broker = await Broker.start({
      connack: () => ({ properties: { receiveMaximum } }),
      publish(packet, peer) {
        peak = Math.max(peak, ++waiting);
        setImmediate(() => (waiting--, peer.ack(packet)));
      },
    });
    await using gateway = await testPlugin(mqtt, { ...quick, url: broker.url, inFlight });
    await deliver(gateway, { count: 60 });
    await until("all is published", () => broker.published.length === 120);
    assert.equal(peak, most);
  }
});

test("mqtt resolves a batch only when all of it is acknowledged: what was not comes again on a new connection, in order, and nothing else does", async () => {
  let connections = 0;
  await using broker = await Broker.start({
    publish(packet, peer) {
      if (peer.published.length === 1) connections++;
      if (connections > 6 || peer.published.length <= 7) peer.ack(packet);
      else if (peer.published.length === 20) peer.socket.end(); // 13 of 20 are taken and not acknowledged
    },
  });
  await using gateway = await testPlugin(mqtt, { ...quick, url: broker.url });
  await deliver(gateway, { count: 100 });
  await until("all is published", () => gateway.metric('busbar_mqtt_published_total{instance="subject"}') === 200);
  for (const source of ["a", "b"]) assert.deepEqual(firsts(numbers(broker, source)), upTo(100), "first copies are in order");
  const unacknowledged = 6 * 13;
  assert.equal(broker.published.length, 200 + unacknowledged, "doubles are exactly those whose PUBACK was lost");
  assert.equal(new Set(broker.published.map((packet) => property(packet, "msgid"))).size, 200, "by msgid a receiver drops them");
  assert.ok(broker.published.every((packet) => !packet.dup), "a new session knows no DUP");
  assert.equal(gateway.metric('busbar_mqtt_reconnects_total{direction="out",instance="subject"}'), 6);
});

test("mqtt drops a connection on which the broker never acknowledges, and sends again on the next", async () => {
  await using broker = await Broker.start({
    publish(packet, peer) {
      if (broker.peers.length > 2) peer.ack(packet);
    },
  });
  await using gateway = await testPlugin(mqtt, { ...quick, url: broker.url, ackTimeout: 150 });
  await deliver(gateway, { count: 10 });
  await until("all is acknowledged", () => gateway.metric('busbar_mqtt_published_total{instance="subject"}') === 20);
  assert.equal(broker.peers.length, 3);
  assert.deepEqual(numbers(broker, "a"), [...upTo(10), ...upTo(10), ...upTo(10)]);
  assert.ok(gateway.log.some(({ fields }) => fields["reason"] === "the broker has not acknowledged a publish within 150 ms"));
});

test("mqtt drops a half-open connection that answers no ping, and one that never says CONNACK", async () => {
  await using broker = await Broker.start({ pings: false, connack: (_connect, count) => (count === 1 ? undefined : { properties: { serverKeepAlive: 1 } }) });
  await using gateway = await testPlugin(mqtt, { ...quick, url: broker.url, connectTimeout: 100 });
  await until("two connections are given up", () => broker.peers.length >= 3);
  const reasons = gateway.log.map(({ fields }) => fields["reason"]);
  assert.ok(reasons.includes("not connected within 100 ms"));
  assert.ok(reasons.includes("the broker has not answered a ping within 1000 ms"));
  assert.ok(broker.peers[1]!.packets.some(({ cmd }) => cmd === "pingreq"));
});

test("mqtt stays connected while nothing is said, by pings", async () => {
  await using broker = await Broker.start({ connack: () => ({ properties: { serverKeepAlive: 1 } }) });
  await using _gateway = await testPlugin(mqtt, { ...quick, url: broker.url });
  await until("three pings", () => broker.peers.flatMap((peer) => peer.packets).filter(({ cmd }) => cmd === "pingreq").length === 3);
  assert.equal(broker.peers.length, 1);
});

test("mqtt has a broker with Nagle's algorithm let go of acknowledgements by a ping, and does not ping one that is slow over and over", async () => {
  let held: (() => void)[] = [];
  await using broker = await Broker.start({
    publish: (packet, peer) => void (packet.messageId === 1 ? peer.ack(packet) : held.push(() => peer.ack(packet))),
    pinged: () => held.splice(0).forEach((ack) => ack()),
  });
  await using gateway = await testPlugin(mqtt, { ...quick, url: broker.url });
  await deliver(gateway, { count: 20 });
  await until("all is acknowledged", () => gateway.metric('busbar_mqtt_published_total{instance="subject"}') === 40);
  const pings = (): number => broker.peers[0]!.packets.filter(({ cmd }) => cmd === "pingreq").length;
  assert.ok(pings() >= 1);
  broker.behaviour.pinged = undefined;
  const before = pings();
  await deliver(gateway, { count: 1, from: 20 });
  await until("it is on its way", () => held.length === 2);
  broker.peers[0]!.send({ cmd: "pingresp" }); // something comes, and comes again
  broker.peers[0]!.send({ cmd: "pingresp" });
  await until("it is pinged", () => pings() === before + 2);
  for (const ack of held) ack();
  held = [];
  await until("all is acknowledged", () => gateway.metric('busbar_mqtt_published_total{instance="subject"}') === 42);
  assert.ok(pings() <= before + 4, `${pings() - before} pings`);
});

test("mqtt runs though the broker is down, says so once, and sends everything when it comes", async () => {
  const port = await (async () => {
    await using broker = await Broker.start();
    return broker.port;
  })();
  await using gateway = await testPlugin(mqtt, { ...quick, url: `mqtt://127.0.0.1:${port}` });
  assert.equal(gateway.status().state, "running");
  await deliver(gateway, { count: 50 });
  await until("several attempts", () => gateway.log.some(({ message }) => message === "broker cannot be reached"));
  assert.equal(gateway.metric('busbar_mqtt_connected{direction="out",instance="subject"}'), 0);
  await using broker = await Broker.start({}, port);
  await until("all is published", () => broker.published.length === 100);
  assert.deepEqual(numbers(broker, "b"), upTo(50));
  assert.equal(gateway.log.filter(({ message }) => message === "broker cannot be reached").length, 1);
  assert.equal(gateway.metric('busbar_mqtt_reconnects_total{direction="out",instance="subject"}'), 0);
});

test("mqtt says why a broker refuses it, and that an older one wants protocolVersion: 4", async () => {
  await using broker = await Broker.start({ connack: (_connect, count) => ({ reasonCode: count === 1 ? 0x87 : 0x84 }) });
  await using gateway = await testPlugin(mqtt, { ...quick, reconnect: { min: "2s", max: "2s" }, url: broker.url, username: "u", password: "s3cret-word" });
  await until("both are logged", () => gateway.log.filter(({ message }) => message === "broker cannot be reached").length === 2);
  assert.deepEqual(gateway.log.flatMap(({ fields }) => ("reason" in fields ? [fields["reason"]] : [])), [
    "the broker refused the connection: 0x87 not authorized",
    "the broker refused the connection: 0x84 unsupported protocol version; say protocolVersion: 4",
  ]);
  assert.deepEqual([broker.peers[0]!.connect.username, broker.peers[0]!.connect.password?.toString()], ["u", "s3cret-word"]);
  assert.ok(!JSON.stringify(gateway.log).includes("s3cret-word"));
});

test("mqtt lets the batch that is on its way end when the gateway stops, and says goodbye", async () => {
  let held: (() => void)[] = [];
  await using broker = await Broker.start({ publish: (packet, peer) => void held.push(() => peer.ack(packet)) });
  const gateway = await testPlugin(mqtt, { ...quick, url: broker.url });
  await deliver(gateway, { count: 3 });
  await until("it is on its way", () => held.length > 0);
  const stopped = gateway.stop();
  broker.behaviour.publish = undefined;
  for (const ack of held) ack();
  held = [];
  await stopped;
  await until("goodbye is said", () => broker.peers[0]!.packets.some(({ cmd }) => cmd === "disconnect"));
  assert.equal(new Set(broker.published.map((packet) => property(packet, "msgid"))).size, broker.published.length);
});
