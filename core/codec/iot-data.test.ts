import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { createMessage, type Message } from "../envelope.ts";
import { IoTDataSchema } from "../proto/gen/busbar/v1/devices_pb.ts";
import { codecSuite } from "../testkit/codec-suite.ts";
import { iotData } from "./iot-data.ts";

const report = (init: Parameters<typeof create<typeof IoTDataSchema>>[1]): Uint8Array => toBinary(IoTDataSchema, create(IoTDataSchema, init));
const base = { deviceId: "sensor-001", timestamp: 1_634_567_890_123n };

codecSuite({
  name: "iot-data",
  factory: iotData,
  cases: [
    {
      name: "a report of two sensors",
      bytes: report({ ...base, readings: [{ sensorId: "temperature", value: 21.3, unit: "°C" }, { sensorId: "humidity", value: 23.5, unit: "%" }] }),
      frames: [{ kind: "message", type: "status", from: "sensor-001", to: "server", msgid: "", timestamp: 1_634_567_890_123, qos: 0, retain: false, payload: { values: [{ tag: "temperature", value: 21.3, unit: "°C" }, { tag: "humidity", value: 23.5, unit: "%" }], quality: "good" } }],
    },
    { name: "a report without time and unit as of now", bytes: report({ deviceId: "a/b", readings: [{ sensorId: "x" }] }), frames: [{ kind: "message", from: "a/b", timestamp: 0, payload: { values: [{ tag: "x", value: 0 }], quality: "good" } }] },
    { name: "a report without readings", bytes: report(base), frames: [{ kind: "message", payload: { values: [], quality: "good" } }] },
    {
      name: "NaN and infinities as bad nulls",
      bytes: report({ ...base, readings: [{ sensorId: "x", value: Number.NaN, unit: "V" }, { sensorId: "y", value: -Infinity }, { sensorId: "z", value: 1 }] }),
      frames: [{ kind: "message", payload: { values: [{ tag: "x", value: null, unit: "V", quality: "bad" }, { tag: "y", value: null, quality: "bad" }, { tag: "z", value: 1 }], quality: "good" } }],
    },
    { name: "names that JSON has to escape", bytes: report({ ...base, readings: [{ sensorId: 'a"\\\n', value: 1e-7, unit: '"' }] }), frames: [{ kind: "message", payload: { values: [{ tag: 'a"\\\n', value: 1e-7, unit: '"' }], quality: "good" } }] },
  ],
  refused: [
    { name: "an empty device_id", bytes: report({ readings: [{ sensorId: "x" }] }), error: "BAD_FRAME" },
    { name: "no bytes at all", bytes: new Uint8Array(0), error: "BAD_FRAME" },
    { name: "a device_id that is no id", bytes: report({ deviceId: "a//b" }), error: "BAD_FRAME" },
    { name: "an empty sensor_id", bytes: report({ ...base, readings: [{ value: 1 }] }), error: "BAD_FRAME" },
    { name: "a time before 1970", bytes: report({ ...base, timestamp: -1n }), error: "BAD_FRAME" },
    { name: "a time beyond JavaScript's", bytes: report({ ...base, timestamp: 8_640_000_000_000_001n }), error: "BAD_FRAME" },
    { name: "a time beyond 2^53", bytes: report({ ...base, timestamp: 2n ** 62n }), error: "BAD_FRAME" },
    { name: "a truncated message", bytes: report(base).subarray(0, 8), error: "SyntaxError" },
    { name: "invalid UTF-8", bytes: Uint8Array.of(10, 2, 0xc3, 0x28), error: "SyntaxError" },
    { name: "an HTTP request", bytes: Buffer.from("GET / HTTP/1.1\r\n"), error: "SyntaxError" },
  ],
  unspeakable: [createMessage({ type: "command", to: "sensor-001", payload: {} }), createMessage({ type: "status", from: "x", payload: {} }), { kind: "pong" }],
});

describe("iot-data codec and its device", () => {
  it("decode() checks each device_id of a connection, not only the first", () => {
    const codec = iotData.create();
    const decode = (deviceId: string): Message => {
      const bytes = report({ deviceId });
      return codec.decode(bytes, 0, bytes.length) as Message;
    };
    assert.equal(decode("a").from, "a");
    assert.throws(() => decode("a b"), { code: "BAD_FRAME" });
    assert.throws(() => decode("a b"), { code: "BAD_FRAME" });
    assert.equal(decode("b").from, "b");
  });
});
