import { create, toBinary } from "@bufbuild/protobuf";
import { Message } from "../envelope.ts";
import { FrameSchema } from "../proto/gen/busbar/v1/envelope_pb.ts";
import { codecSuite, type CodecCase } from "../testkit/codec-suite.ts";
import { envelopeJson } from "./envelope-json.ts";
import { envelopeProto } from "./envelope-proto.ts";

const text = (frame: string): Uint8Array => new TextEncoder().encode(frame);
const status = new Message("status", "sensor-001", "server", "m-1", 1_634_567_890_123, 1, true, undefined, { temperature: 23.5 });
const order = new Message("command", "app", "lamp-1", "c-1", 5, 1, false, 1_900_000_000_000, { on: true });
order.replace = 'light "ü"';
const orderFields = { kind: "message", type: "command", from: "app", to: "lamp-1", msgid: "c-1", timestamp: 5, qos: 1, expires: 1_900_000_000_000, replace: 'light "ü"', payload: { on: true } } as const;
const fields = { kind: "message", type: "status", from: "sensor-001", to: "server", msgid: "m-1", timestamp: 1_634_567_890_123, qos: 1, retain: true, payload: { temperature: 23.5 } } as const;

const json: readonly CodecCase[] = [
  {
    name: "an envelope",
    bytes: text('{"ver":"1.0","msgid":"m-1","timestamp":1634567890123,"from":"sensor-001","to":"server","type":"status","payload":{"temperature":23.5},"qos":1,"retain":true}'),
    frames: [fields],
    encoded: status,
  },
  {
    name: "a command with a deadline and a replace key",
    bytes: text('{"ver":"1.0","msgid":"c-1","timestamp":5,"from":"app","to":"lamp-1","type":"command","payload":{"on":true},"qos":1,"retain":false,"expires":1900000000000,"replace":"light \\"ü\\""}'),
    frames: [orderFields],
    encoded: order,
  },
  { name: "the shorthand of a control", bytes: text('{"type":"control","to":"lamp-1","data":{"on":true}}'), frames: [{ kind: "message", type: "command", to: "lamp-1", payload: { on: true } }] },
  { name: "values without a type", bytes: text('{"deviceId":"plc-101","timestamp":5,"values":[],"quality":"bad"}'), frames: [{ kind: "message", type: "status", from: "plc-101", timestamp: 5, payload: { values: [], quality: "bad" } }] },
  { name: "auth", bytes: text('{"type":"auth","deviceId":"a","token":"t"}'), frames: [{ kind: "auth", deviceId: "a", token: "t" }], encoded: { kind: "auth", deviceId: "a", token: "t" } },
  { name: "ping", bytes: text('{"type":"ping"}'), frames: [{ kind: "ping" }], encoded: { kind: "ping" } },
];

codecSuite({
  name: "busbar.v1.json",
  factory: envelopeJson,
  cases: json,
  refused: [
    { name: "text that is no JSON", bytes: text("{"), error: "SyntaxError" },
    { name: "an array", bytes: text("[]"), error: "SyntaxError" },
    { name: "invalid UTF-8", bytes: Uint8Array.of(0x22, 0xff, 0x22), error: "SyntaxError" },
    { name: "a wrong type", bytes: text('{"type":7}'), error: "BAD_FRAME" },
    { name: "a word of the session as a type", bytes: text('{"type":"error","payload":1}'), error: "BAD_FRAME" },
    { name: "qos 1 without a msgid", bytes: text('{"type":"status","qos":1}'), error: "BAD_FRAME" },
    { name: "an empty replace key", bytes: text('{"type":"command","to":"a","replace":""}'), error: "BAD_FRAME" },
    { name: "a replace key of 65 bytes", bytes: text(JSON.stringify({ type: "command", to: "a", replace: "x".repeat(65) })), error: "BAD_FRAME" },
    { name: "a replace key that is no text", bytes: text('{"type":"command","to":"a","replace":5}'), error: "BAD_FRAME" },
  ],
});

const frame = (init: Parameters<typeof create<typeof FrameSchema>>[1]): Uint8Array => toBinary(FrameSchema, create(FrameSchema, init));

codecSuite({
  name: "busbar.v1.proto",
  factory: envelopeProto,
  cases: [
    {
      name: "an envelope",
      bytes: frame({ frame: { case: "envelope", value: { ver: "1.0", msgid: "m-1", timestamp: 1_634_567_890_123n, from: "sensor-001", to: "server", type: "status", payload: { case: "json", value: '{"temperature":23.5}' }, qos: 1, retain: true } } }),
      frames: [fields],
      encoded: status,
    },
    {
      name: "a command with a deadline and a replace key",
      bytes: frame({ frame: { case: "envelope", value: { ver: "1.0", msgid: "c-1", timestamp: 5n, from: "app", to: "lamp-1", type: "command", payload: { case: "json", value: '{"on":true}' }, qos: 1, expires: 1_900_000_000_000n, replace: 'light "ü"' } } }),
      frames: [orderFields],
      encoded: order,
    },
    { name: "auth", bytes: frame({ frame: { case: "auth", value: { deviceId: "a", token: "t" } } }), frames: [{ kind: "auth", deviceId: "a", token: "t" }], encoded: { kind: "auth", deviceId: "a", token: "t" } },
    { name: "ping", bytes: frame({ frame: { case: "ping", value: {} } }), frames: [{ kind: "ping" }], encoded: { kind: "ping" } },
  ],
  refused: [
    { name: "an envelope that is cut off", bytes: Uint8Array.of(0x1a, 0x7f, 0x0a), error: "SyntaxError" },
    { name: "an empty frame", bytes: new Uint8Array(0), error: "BAD_FRAME" },
    { name: "a payload that is no JSON", bytes: frame({ frame: { case: "envelope", value: { type: "status", payload: { case: "json", value: "{" } } } }), error: "BAD_FRAME" },
    { name: "a replace key of more than 64 bytes", bytes: frame({ frame: { case: "envelope", value: { type: "command", to: "a", replace: "ü".repeat(33) } } }), error: "BAD_FRAME" },
    { name: "qos 3", bytes: frame({ frame: { case: "envelope", value: { type: "status", qos: 3 } } }), error: "BAD_FRAME" },
  ],
});
