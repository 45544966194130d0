import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { until } from "@busbar/core/testkit";
import { openListening } from "./testing/listening.ts";
import { RawClient } from "./testing/raw-client.ts";

const publish = (topic: string, more: object = {}) => ({ cmd: "publish" as const, topic, payload: "1", qos: 1 as const, messageId: 7, dup: false, retain: false, ...more });

/** Packets that break MQTT 3.1.1, from a client that is logged in: the connection must be closed (§4.8). */
const violations: Readonly<Record<string, readonly number[]>> = {
  "a second CONNECT": [0x10, 14, 0, 4, 77, 81, 84, 84, 4, 2, 0, 0, 0, 2, 97, 98],
  "QoS 3": [0x36, 9, 0, 3, 97, 47, 98, 0, 1, 49, 49],
  "DUP at QoS 0": [0x38, 6, 0, 3, 97, 47, 98, 49],
  "packet id 0": [0x32, 8, 0, 3, 97, 47, 98, 0, 0, 49],
  "a topic longer than its packet": [0x30, 5, 0, 30, 97, 47, 98],
  "a topic with NUL": [0x30, 6, 0, 4, 97, 47, 0, 98],
  "a topic with +": [0x30, 6, 0, 3, 97, 47, 43, 49],
  "a topic with #": [0x30, 6, 0, 3, 97, 47, 35, 49],
  "a topic that is no UTF-8": [0x30, 6, 0, 3, 97, 47, 0xff, 49],
  "an empty topic at QoS 1": [0x32, 4, 0, 0, 0, 1],
  "SUBSCRIBE with wrong flags": [0x80, 8, 0, 1, 0, 3, 97, 47, 98, 0],
  "SUBSCRIBE without a filter": [0x82, 2, 0, 1],
  "SUBSCRIBE with QoS 3": [0x82, 8, 0, 1, 0, 3, 97, 47, 98, 3],
  "SUBSCRIBE with packet id 0": [0x82, 8, 0, 0, 0, 3, 97, 47, 98, 1],
  "UNSUBSCRIBE without a filter": [0xa2, 2, 0, 1],
  "PUBREL with wrong flags": [0x60, 2, 0, 1],
  "PINGREQ with a body": [0xc0, 1, 0],
  "a packet that only a server sends": [0x20, 2, 0, 0],
  "a reserved packet type": [0xf0, 0],
  "a remaining length of 5 bytes": [0x30, 0x80, 0x80, 0x80, 0x80, 1],
  "a remaining length of 256 MiB": [0x30, 0xff, 0xff, 0xff, 0x7f],
};

describe("mqtt listener, hostile clients", () => {
  for (const [what, bytes] of Object.entries(violations)) {
    it(`ends the connection over ${what}, and nobody else notices`, async () => {
      await using listening = await openListening();
      const other = await listening.connect("other");
      using client = await RawClient.login(listening.port, "d-1");
      client.bytes(...bytes);
      await client.closed;
      assert.deepEqual(client.heard.map(({ cmd }) => cmd), ["connack"]);
      const heard = listening.gateway.next("status/other");
      await other.mqtt.publishAsync("status/other", "1", { qos: 1 });
      await heard;
    });
  }

  it("takes packets in whatever pieces they come", async () => {
    await using listening = await openListening();
    using client = await RawClient.login(listening.port, "d-1");
    const heard = listening.gateway.next("status/d-1");
    client.socket.setNoDelay(true);
    const payload = "x".repeat(300);
    const packet = [0x30, 0xb8, 0x02, 0, 10, ...Buffer.from(`status/d-1${payload}`)];
    for (const byte of packet) {
      client.bytes(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.deepEqual((await heard).payload, new Uint8Array(Buffer.from(payload)));
  });

  it("closes who says nothing, or not all of CONNECT, in time, and who begins with something else", async () => {
    await using listening = await openListening({ authTimeout: "200ms", frameTimeout: "200ms" });
    for (const bytes of [[], [0x10, 14, 0, 4, 77], [0xc0, 0]]) {
      using client = await RawClient.connect(listening.port);
      client.bytes(...bytes);
      await client.closed;
    }
  });

  it("turns away other versions, and an empty client id that wants to be remembered", async () => {
    await using listening = await openListening();
    const cases = [[[0x10, 14, 0, 6, 77, 81, 73, 115, 100, 112, 3, 2, 0, 0, 0, 0], 1], [[0x10, 12, 0, 4, 77, 81, 84, 84, 4, 0, 0, 0, 0, 0], 2]] as const;
    for (const [bytes, code] of cases) {
      using client = await RawClient.connect(listening.port);
      client.bytes(...bytes);
      const answer = await client.next();
      assert.deepEqual(answer?.cmd === "connack" && answer.returnCode, code);
      await client.closed;
    }
  });

  it("stores a publication of QoS 2 once, however often it is sent before its PUBREL, and again after it", async () => {
    await using listening = await openListening();
    let stored = 0;
    listening.gateway.bus.subscribe("event/d-1", () => void stored++);
    using client = await RawClient.login(listening.port, "d-1");
    for (let time = 0; time < 3; time++) {
      client.say(publish("event/d-1", { qos: 2, dup: time > 0 }));
      assert.equal((await client.next())?.cmd, "pubrec");
    }
    assert.equal(stored, 1);
    client.say({ cmd: "pubrel", messageId: 7 });
    assert.equal((await client.next())?.cmd, "pubcomp");
    client.say({ cmd: "pubrel", messageId: 7 });
    assert.equal((await client.next())?.cmd, "pubcomp");
    client.say(publish("event/d-1", { qos: 2 }));
    assert.equal((await client.next())?.cmd, "pubrec");
    assert.equal(stored, 2);
  });

  it("repeats a delivery with DUP under its packet id until it is acknowledged, at QoS 2 as PUBREL once it was received", async () => {
    await using listening = await openListening({ redeliver: "200ms" });
    using client = await RawClient.login(listening.port, "app");
    client.say({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic: "event/d-1", qos: 2 }] });
    assert.equal((await client.next())?.cmd, "suback");
    await listening.gateway.bus.deliver({ type: "event", from: "d-1", payload: 1, qos: 2 });
    const publications = async () => {
      const packet = await client.next();
      return packet?.cmd === "publish" ? [packet.messageId, packet.dup] : [packet?.cmd];
    };
    const [id, dup] = await publications();
    assert.equal(dup, false);
    assert.deepEqual(await publications(), [id, true]);
    client.say({ cmd: "pubrec", messageId: id as number });
    for (let time = 0; time < 2; time++) assert.deepEqual(await publications(), ["pubrel"]);
    client.say({ cmd: "pubcomp", messageId: id as number });
    client.say({ cmd: "puback", messageId: 999 });
    client.say({ cmd: "pingreq" });
    for (let packet = await client.next(); packet?.cmd !== "pingresp"; packet = await client.next()) assert.equal(packet?.cmd, "pubrel");
  });

  it("ends who never takes a publication over a topic that is none of an envelope: at QoS 0 at the third, at QoS 1 at once", async () => {
    await using listening = await openListening();
    using patient = await RawClient.login(listening.port, "d-1");
    for (let time = 0; time < 3; time++) patient.say(publish("no topic", { qos: 0 }));
    await patient.closed;
    using strict = await RawClient.login(listening.port, "d-2");
    strict.say(publish("no topic"));
    await strict.closed;
    assert.equal(strict.heard.length, 1);
    await until("both are counted", () => listening.gateway.metric('busbar_refused_total{reason="BAD_FRAME"}') === 3);
  });
});
