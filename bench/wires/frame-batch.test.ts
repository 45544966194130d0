import assert from "node:assert/strict";
import { it } from "node:test";
import { fromBinary } from "@bufbuild/protobuf";
import { FrameSchema } from "../../core/proto/gen/busbar/v1/envelope_pb.ts";
import { busbarTcp } from "./busbar-tcp.ts";
import { busbarWs } from "./busbar-ws.ts";
import { FrameBatch } from "./frame-batch.ts";
import { formatMarker, MarkerReader } from "./marker.ts";
import { mqtt } from "./mqtt.ts";
import { delimitedContent, measureDelimited, measureMqtt, measureWebSocket, PacketReader } from "./packet-reader.ts";
import type { Measure } from "./packet-reader.ts";

const identity = { id: "dev-00042", token: "t" };

function packets(bytes: Uint8Array, measure: Measure): Uint8Array[] {
  const found: Uint8Array[] = [];
  new PacketReader(measure, (all, start, end) => found.push(all.slice(start, end))).push(bytes, bytes.length);
  return found;
}

function markers(list: readonly Uint8Array[]): (string | undefined)[] {
  const reader = new MarkerReader();
  return list.map((packet) => (reader.read(packet, 0, packet.length) ? formatMarker(reader.publisher, reader.sequence) : undefined));
}

it("FrameBatch.stamp() of protobuf frames decodes with generated code to each sequence and time", () => {
  const batch = new FrameBatch(busbarTcp.createTemplate(identity, { publisher: 42, qos: 1 }), 32);
  const times = [1_763_700_000_000, 1_763_700_000_001, 1_999_999_999_999];
  for (const [index, first] of [0, 990, 123_456_775].entries()) {
    const list = packets(batch.stamp(first, 32, times[index] ?? 0), measureDelimited);
    assert.equal(list.length, 32);
    for (const [offset, packet] of list.entries()) {
      const { frame } = fromBinary(FrameSchema, packet.subarray(delimitedContent(packet, 0)));
      assert.ok(frame.case === "envelope");
      assert.equal(frame.value.msgid, formatMarker(42, first + offset));
      assert.equal(frame.value.timestamp, BigInt(times[index] ?? 0));
      assert.equal(frame.value.ver, "1.0");
      assert.equal(frame.value.from, "dev-00042");
      assert.equal(frame.value.type, "status");
      assert.equal(frame.value.qos, 1);
      assert.deepEqual(frame.value.payload, { case: "json", value: '{"temperature":23.5}' });
    }
    assert.deepEqual(markers(list), list.map((_, offset) => formatMarker(42, first + offset)));
  }
});

it("FrameBatch.stamp() of protobuf frames makes messages of 50 to 100 bytes", () => {
  const { bytes } = busbarTcp.createTemplate(identity, { publisher: 42, qos: 0 });
  assert.ok(bytes.length >= 50 && bytes.length <= 100, `${bytes.length} bytes`);
});

it("FrameBatch.stamp() of MQTT packets gives each its own packet id, never 0", () => {
  const batch = new FrameBatch(mqtt.createTemplate(identity, { publisher: 42, qos: 1 }), 4);
  const list = packets(batch.stamp(65_533, 4, 0), measureMqtt);
  const topic = Buffer.from("status/dev-00042");
  assert.deepEqual(markers(list), [65_533, 65_534, 65_535, 65_536].map((sequence) => formatMarker(42, sequence)));
  const ids = list.map((packet) => {
    const at = Buffer.from(packet).indexOf(topic) + topic.length;
    return ((packet[at] ?? 0) << 8) | (packet[at + 1] ?? 0);
  });
  assert.deepEqual(ids, [65_534, 65_535, 1, 2]);
  assert.deepEqual(list.map((packet) => packet[0]), [0x32, 0x32, 0x32, 0x32]);
});

it("FrameBatch.stamp() of JSON frames leaves JSON with the sequence as msgid", () => {
  const batch = new FrameBatch(busbarWs.createTemplate(identity, { publisher: 42, qos: 0 }), 2);
  const list = packets(batch.stamp(7, 2, 0), measureWebSocket);
  for (const [index, packet] of list.entries()) {
    const text = Buffer.from(packet).toString();
    const message = JSON.parse(text.slice(text.indexOf("{")));
    assert.equal(message.msgid, formatMarker(42, 7 + index));
    assert.deepEqual([message.from, message.type, message.payload], ["dev-00042", "status", { temperature: 23.5 }]);
  }
});

it("FrameBatch.stamp() throws when asked for more than its capacity", () => {
  const batch = new FrameBatch(mqtt.createTemplate(identity, { publisher: 0, qos: 0 }), 4);
  assert.throws(() => batch.stamp(0, 5, 0), RangeError);
});

it("MarkerReader.read() finds a marker wherever it stands, and says when there is none", () => {
  const reader = new MarkerReader();
  for (const lead of ["", "{\"msgid\":\"", "x".repeat(300)]) {
    const bytes = Buffer.from(`before${lead}${formatMarker(99_999, 123_456_789)} behind`);
    const found = reader.read(bytes, 6, bytes.length);
    assert.ok(found);
    assert.deepEqual([reader.publisher, reader.sequence], [99_999, 123_456_789]);
  }
  const none = Buffer.from('{"type":"pong"}');
  assert.equal(reader.read(none, 0, none.length), false);
  const outside = Buffer.from(`{}${formatMarker(1, 1)}`);
  assert.equal(reader.read(outside, 0, 2), false);
});
