import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Message, Slab, type Qos } from "@busbar/core";
import fc from "fast-check";
import mqttPacket, { type Packet } from "mqtt-packet";
import { packetFraming } from "./packet-framing.ts";
import { readPacket } from "./read-packet.ts";
import { writePublish } from "./write-packet.ts";

const id = fc.integer({ min: 1, max: 0xffff });
const qos = fc.integer({ min: 0, max: 2 }) as fc.Arbitrary<Qos>;
const text = fc.string({ unit: "binary", minLength: 1, maxLength: 40 }).filter((one) => one.isWellFormed() && !one.includes("\0"));
const bytes = fc.uint8Array({ maxLength: 200 });

/** Every byte string is read, or refused with a SyntaxError. */
function readOrRefuse(packet: Uint8Array): void {
  const deframer = packetFraming.createDeframer(1 << 16);
  try {
    deframer.push(packet, (chunk, start, end) => void readPacket(chunk, start, end));
  } catch (error) {
    if (!(error instanceof SyntaxError) && (error as { code?: string }).code !== "TOO_LARGE") throw error;
  }
}

describe("MQTT packets", () => {
  it("readPacket() reads what mqtt-packet writes", () => {
    fc.assert(fc.property(text, bytes, qos, id, fc.boolean(), (topic, payload, level, messageId, retain) => {
      const packet = mqttPacket.generate({ cmd: "publish", topic, payload: Buffer.from(payload), qos: level, messageId, retain, dup: false });
      const read = readPacket(packet, 0, packet.length);
      assert.ok(read.kind === "publish");
      assert.deepEqual([read.topic, read.qos, read.id, read.retain, new Uint8Array(packet.subarray(read.start, read.end))], [topic, level, level > 0 ? messageId : 0, retain, new Uint8Array(payload)]);
    }));
    fc.assert(fc.property(text, fc.option(text), fc.boolean(), fc.integer({ min: 0, max: 0xffff }), (clientId, username, clean, keepalive) => {
      const will = { topic: "event/x", payload: Buffer.from("gone"), qos: 1 as const, retain: true };
      const packet = mqttPacket.generate({ cmd: "connect", protocolId: "MQTT", protocolVersion: 4, clientId, clean, keepalive, will, ...(username !== null && { username, password: Buffer.from("secret") }) });
      const read = readPacket(packet, 0, packet.length);
      assert.ok(read.kind === "connect");
      assert.deepEqual([read.clientId, read.clean, read.keepAlive, read.username, read.will?.topic, read.will?.qos, read.will?.retain], [clientId, clean, keepalive, username ?? undefined, "event/x", 1, true]);
    }));
    fc.assert(fc.property(fc.array(fc.record({ topic: text, qos }, { noNullPrototype: true }), { minLength: 1, maxLength: 200 }), id, (subscriptions, messageId) => {
      const packet = mqttPacket.generate({ cmd: "subscribe", subscriptions, messageId });
      const read = readPacket(packet, 0, packet.length);
      assert.deepEqual(read, { kind: "subscribe", id: messageId, filters: subscriptions });
    }));
  });

  it("writePublish() writes what mqtt-packet reads", () => {
    fc.assert(fc.property(fc.oneof(bytes, fc.json().map((one) => JSON.parse(one) as unknown), fc.string({ unit: "binary", maxLength: 300 })), qos, id, (payload, level, messageId) => {
      const message = new Message("status", "d-1", "server", "m", 1, level, false, undefined, payload);
      const packet = writePublish(message, { topic: "status/d-1", qos: level, id: messageId, dup: level > 0, retain: true }, new Slab());
      const read: Packet[] = [];
      const parser = mqttPacket.parser({ protocolVersion: 4 });
      parser.on("packet", (one) => void read.push(one));
      parser.parse(Buffer.from(packet));
      const [one] = read;
      assert.ok(one?.cmd === "publish" && read.length === 1);
      assert.deepEqual([one.topic, one.qos, one.messageId, one.retain, one.dup], ["status/d-1", level, level > 0 ? messageId : undefined, true, level > 0]);
      const got = one.payload as Buffer;
      if (payload instanceof Uint8Array) assert.deepEqual(new Uint8Array(got), payload);
      else assert.equal(got.toString(), message.payloadText());
    }));
  });

  it("cuts a stream into the same packets however it is chunked", () => {
    const packet = fc.tuple(bytes, fc.integer({ min: 0, max: 255 })).map(([body, first]) => {
      const length = body.length < 128 ? [body.length] : [(body.length & 127) | 128, body.length >> 7];
      return new Uint8Array([first, ...length, ...body]);
    });
    fc.assert(fc.property(fc.array(packet, { maxLength: 6 }), fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), (packets, sizes) => {
      const stream = Buffer.concat(packets);
      const deframer = packetFraming.createDeframer(1000);
      const got: Uint8Array[] = [];
      for (let at = 0, turn = 0; at < stream.length; turn++) {
        const end = Math.min(stream.length, at + sizes[turn % sizes.length]!);
        deframer.push(stream.subarray(at, end), (chunk, from, to) => void got.push(Uint8Array.from(chunk.subarray(from, to))));
        at = end;
      }
      assert.deepEqual(got, packets);
      assert.equal(deframer.pending, 0);
    }));
  });

  it("reads or refuses any bytes, and packets with some of their bytes changed", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), readOrRefuse), { numRuns: 2000 });
    const base = mqttPacket.generate({ cmd: "connect", protocolId: "MQTT", protocolVersion: 4, clientId: "abc", clean: true, keepalive: 9, username: "u", password: Buffer.from("p"), will: { topic: "a/b", payload: Buffer.from("x"), qos: 1, retain: false } });
    fc.assert(fc.property(fc.array(fc.tuple(fc.nat(base.length - 1), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 }), (changes) => {
      const packet = Uint8Array.from(base);
      for (const [at, byte] of changes) packet[at] = byte;
      readOrRefuse(packet);
    }), { numRuns: 2000 });
  });
});
