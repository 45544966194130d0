import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, fromBinary, toBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import * as fc from "fast-check";
import { createMessage, formatPayload, Message } from "../envelope.ts";
import type { Frame } from "../frame.ts";
import { EnvelopeSchema, FrameSchema } from "../proto/gen/busbar/v1/envelope_pb.ts";
import { codecSuite, type CodecCase, type ExpectedFrame } from "../testkit/codec-suite.ts";
import { maxBatch, maxPayloadDepth } from "./envelope-json.ts";
import { bareEnvelopeProto, envelopeProto } from "./envelope-proto.ts";

type FrameInit = NonNullable<MessageInitShape<typeof FrameSchema>["frame"]>;
type EnvelopeInit = MessageInitShape<typeof EnvelopeSchema>;

const nested = (levels: number): string => "[".repeat(levels) + "]".repeat(levels);
const frame = (init: FrameInit): Uint8Array => toBinary(FrameSchema, create(FrameSchema, { frame: init }));
const envelope = (init: EnvelopeInit): Uint8Array => frame({ case: "envelope", value: init as never });
const json = (value: string): EnvelopeInit => ({ type: "status", payload: { case: "json", value } });
/** Frame{envelope} around fields that were written by hand. */
const raw = (write: (writer: BinaryWriter) => void): Uint8Array => {
  const writer = new BinaryWriter();
  write(writer.tag(3, 2).fork().tag(6, 2).string("status"));
  return writer.join().finish();
};
/** The varint of a number of 64 bits or more. */
const long = (value: bigint): readonly number[] => (value < 128n ? [Number(value)] : [Number(value & 127n) | 128, ...long(value >> 7n)]);
const status = { type: "status", from: "", to: "server", msgid: "", timestamp: 0, qos: 0, retain: false } as const;

const read = (name: string, bytes: Uint8Array, ...frames: ExpectedFrame[]): CodecCase => ({ name, bytes, frames });
const write = (init: FrameInit, encoded: Message | Exclude<Frame, Message>): CodecCase => ({ name: JSON.stringify(init, (_key, value: unknown) => (typeof value === "bigint" ? String(value) : value)), bytes: frame(init), encoded });

codecSuite({
  name: "envelope protobuf",
  factory: envelopeProto,
  cases: [
    read("auth", frame({ case: "auth", value: { deviceId: "ü", token: "t" } }), { kind: "auth", deviceId: "ü", token: "t" }),
    read("auth without fields", frame({ case: "auth", value: {} }), { kind: "auth", deviceId: "", token: "" }),
    read("an envelope of defaults", envelope({ type: "status" }), { kind: "message", ...status, payload: null }),
    read("every field", envelope({ ver: "1.9", msgid: "m", timestamp: 5n, from: "a/b", to: "c", type: "command", payload: { case: "json", value: '{"on":true}' }, qos: 2, retain: true, expires: 9n, offset: 7n }), { kind: "message", msgid: "m", timestamp: 5, from: "a/b", to: "c", type: "command", payload: { on: true }, qos: 2, retain: true, expires: 9 }),
    read("control as command", envelope({ type: "control", to: "lamp" }), { kind: "message", type: "command", to: "lamp" }),
    read("bytes", envelope({ type: "status", payload: { case: "data", value: new Uint8Array([0, 255]) } }), { kind: "message", payload: new Uint8Array([0, 255]) }),
    read("no bytes", envelope({ type: "status", payload: { case: "data", value: new Uint8Array(0) } }), { kind: "message", payload: new Uint8Array(0) }),
    read("the latest time there is", envelope({ type: "status", timestamp: 8_640_000_000_000_000n }), { kind: "message", timestamp: 8_640_000_000_000_000 }),
    read("JSON nested as deep as it may", envelope(json(nested(maxPayloadDepth))), { kind: "message", payload: JSON.parse(nested(maxPayloadDepth)) }),
    read("a msgid of 64 bytes", envelope({ type: "status", msgid: "ü".repeat(32) }), { kind: "message", msgid: "ü".repeat(32) }),
    read("a msgid that begins with a byte order mark", envelope({ type: "status", msgid: "\ufeffm" }), { kind: "message", msgid: "\ufeffm" }),
    read("the last of several payloads", raw((w) => w.tag(7, 2).string("1").tag(8, 2).bytes(new Uint8Array([1])).tag(7, 2).string("2")), { kind: "message", payload: 2 }),
    read("unknown fields in an envelope", raw((w) => w.tag(99, 2).string("x").tag(98, 0).int32(-1).tag(97, 1).double(1).tag(96, 5).float(1)), { kind: "message", ...status }),
    read("unknown fields beside an envelope", new Uint8Array([...envelope({ type: "status", msgid: "m" }), 0x98, 0x06, 0x01]), { kind: "message", msgid: "m" }),
    read("an empty batch", frame({ case: "batch", value: { data: [] } }), { kind: "batch", messages: [] }),
    read("subscribe", frame({ case: "subscribe", value: { topic: "a/#", qos: 2, since: BigInt(Number.MAX_SAFE_INTEGER), ref: "r" } }), { kind: "subscribe", topic: "a/#", qos: 2, since: Number.MAX_SAFE_INTEGER, ref: "r" }),
    read("subscribe since 0", frame({ case: "subscribe", value: { topic: "a", since: 0n } }), { kind: "subscribe", topic: "a", qos: 0, since: 0, ref: undefined }),
    read("subscribe with overflow", frame({ case: "subscribe", value: { topic: "a", epoch: "e", overflow: "drop-newest", limit: 5 } }), { kind: "subscribe", topic: "a", qos: 0, since: undefined, ref: undefined, epoch: "e", overflow: "drop-newest", limit: 5 }),
    read("ack with offset", frame({ case: "ack", value: { msgid: "m", offset: 7n } }), { kind: "ack", msgid: "m", status: undefined, offset: 7 }),
    read("unsubscribe", frame({ case: "unsubscribe", value: { topic: "a" } }), { kind: "unsubscribe", topic: "a", ref: undefined }),
    read("ack", frame({ case: "ack", value: { msgid: "m" } }), { kind: "ack", msgid: "m", status: undefined }),
    read("an answer in JSON", frame({ case: "ack", value: { msgid: "m", status: "error", payload: { case: "json", value: '{"$base64":"AQ=="}' } } }), { kind: "ack", msgid: "m", status: "error", payload: new Uint8Array([1]) }),
    read("an answer in bytes", frame({ case: "ack", value: { msgid: "m", payload: { case: "data", value: new Uint8Array([1]) } } }), { kind: "ack", msgid: "m", status: undefined, payload: new Uint8Array([1]) }),
    read("ping", frame({ case: "ping", value: {} }), { kind: "ping" }),
    read("pong", frame({ case: "pong", value: {} }), { kind: "pong" }),

    write({ case: "auth", value: { deviceId: "d", token: "t" } }, { kind: "auth", deviceId: "d", token: "t" }),
    write({ case: "authResponse", value: { status: "success", timestamp: 5n } }, { kind: "auth_response", status: "success", timestamp: 5 }),
    write({ case: "subscribe", value: { topic: "a", qos: 1, since: 0n, ref: "r" } }, { kind: "subscribe", topic: "a", qos: 1, since: 0, ref: "r" }),
    write({ case: "subscribed", value: { topic: "a", ref: "r", offset: 2n ** 53n - 1n } }, { kind: "subscribed", topic: "a", ref: "r", offset: Number.MAX_SAFE_INTEGER }),
    write({ case: "subscribe", value: { topic: "a", epoch: "e", overflow: "latest", limit: 5 } }, { kind: "subscribe", topic: "a", qos: 0, epoch: "e", overflow: "latest", limit: 5 }),
    write({ case: "subscribed", value: { topic: "a", offset: 5n, epoch: "e" } }, { kind: "subscribed", topic: "a", offset: 5, epoch: "e" }),
    write({ case: "error", value: { code: "UNKNOWN_OFFSET", message: "no", ref: "r", oldest: 5n, epoch: "e" } }, { kind: "error", code: "UNKNOWN_OFFSET", message: "no", ref: "r", oldest: 5, epoch: "e" }),
    write({ case: "ack", value: { msgid: "m", status: "ok", offset: 7n } }, { kind: "ack", msgid: "m", status: "ok", offset: 7 }),
    write({ case: "subscribed", value: { topic: "a" } }, { kind: "subscribed", topic: "a" }),
    write({ case: "unsubscribe", value: { topic: "a" } }, { kind: "unsubscribe", topic: "a" }),
    write({ case: "unsubscribed", value: { topic: "a", ref: "r" } }, { kind: "unsubscribed", topic: "a", ref: "r" }),
    write({ case: "ack", value: { msgid: "m", status: "ok" } }, { kind: "ack", msgid: "m", status: "ok" }),
    write({ case: "ack", value: { msgid: "m", payload: { case: "json", value: '{"n":"5"}' } } }, { kind: "ack", msgid: "m", payload: { n: 5n } }),
    write({ case: "error", value: { code: "OVERLOAD", message: "no", ref: "r" } }, { kind: "error", code: "OVERLOAD", message: "no", ref: "r" }),
    write({ case: "ping", value: {} }, { kind: "ping" }),
    write({ case: "pong", value: {} }, { kind: "pong" }),
  ],
  refused: [
    { name: "a wire type that does not exist", bytes: new Uint8Array([0x1f, 0x00]), error: "SyntaxError" },
    { name: "an envelope that is cut off", bytes: envelope({ type: "status", msgid: "m" }).subarray(0, -1), error: "SyntaxError" },
    { name: "field number 0", bytes: raw((w) => w.raw(new Uint8Array([0x02, 0x00]))), error: "SyntaxError" },
    { name: "field number 0 of a varint", bytes: raw((w) => w.raw(new Uint8Array([0x00, 0x00]))), error: "SyntaxError" },
    { name: "a tag of more than 32 bits", bytes: raw((w) => w.raw(new Uint8Array([...long(2n ** 35n + 0x12n), 0x00]))), error: "SyntaxError" },
    { name: "a varint of 11 bytes", bytes: raw((w) => w.raw(new Uint8Array([0x18, ...new Array(10).fill(0x80), 0x00]))), error: "SyntaxError" },
    { name: "a varint that does not end", bytes: new Uint8Array([0x1a, 0x80]), error: "SyntaxError" },
    { name: "a length of 4 GiB", bytes: new Uint8Array([0x1a, ...long(2n ** 32n)]), error: "SyntaxError" },
    { name: "a string of 2^63 bytes", bytes: raw((w) => w.raw(new Uint8Array([0x12, ...long(2n ** 63n)]))), error: "SyntaxError" },
    { name: "bytes of 2^64 - 1 bytes", bytes: raw((w) => w.raw(new Uint8Array([0x42, ...long(2n ** 64n - 1n)]))), error: "SyntaxError" },
    { name: "an envelope of 2^63 bytes", bytes: new Uint8Array([0x1a, ...long(2n ** 63n), 0x32, 0x00]), error: "SyntaxError" },
    { name: "an envelope of 2^63 bytes in a batch", bytes: new Uint8Array([0x22, 0x0b, 0x0a, ...long(2n ** 63n)]), error: "SyntaxError" },
    { name: "an envelope longer than its batch", bytes: new Uint8Array([0x22, 0x02, 0x0a, 0x05]), error: "SyntaxError" },
    { name: "invalid UTF-8 in an envelope", bytes: raw((w) => w.tag(2, 2).bytes(new Uint8Array([0xc3, 0x28]))), error: "SyntaxError" },
    { name: "half a surrogate in an envelope", bytes: raw((w) => w.tag(4, 2).bytes(new Uint8Array([0xed, 0xa0, 0x80]))), error: "SyntaxError" },
    { name: "invalid UTF-8 in a subscribe", bytes: new Uint8Array([0x2a, 0x04, 0x0a, 0x02, 0xc3, 0x28]), error: "SyntaxError" },
    { name: "a frame of nothing", bytes: new Uint8Array(0), error: "BAD_FRAME" },
    { name: "what goes to clients only", bytes: frame({ case: "authResponse", value: { status: "success" } }), error: "BAD_FRAME" },
    { name: "an error", bytes: frame({ case: "error", value: { code: "x" } }), error: "BAD_FRAME" },
    { name: "no type", bytes: frame({ case: "envelope", value: {} }), error: "BAD_FRAME" },
    { name: "another version", bytes: envelope({ ver: "2.0", type: "status" }), error: "BAD_FRAME" },
    { name: "version 10", bytes: envelope({ ver: "10", type: "status" }), error: "BAD_FRAME" },
    { name: "a type that is none", bytes: envelope({ type: "Status" }), error: "BAD_FRAME" },
    { name: "an id that is none", bytes: envelope({ type: "status", from: "a//b" }), error: "BAD_FRAME" },
    { name: "a recipient that is none", bytes: envelope({ type: "status", to: "#" }), error: "BAD_FRAME" },
    { name: "a negative time", bytes: envelope({ type: "status", timestamp: -1n }), error: "BAD_FRAME" },
    { name: "a time beyond all times", bytes: envelope({ type: "status", timestamp: 2n ** 62n }), error: "BAD_FRAME" },
    { name: "a negative deadline", bytes: envelope({ type: "status", expires: -5n }), error: "BAD_FRAME" },
    { name: "qos 3", bytes: envelope({ type: "status", qos: 3, msgid: "m" }), error: "BAD_FRAME" },
    { name: "qos 1 without msgid", bytes: envelope({ type: "status", qos: 1 }), error: "BAD_FRAME" },
    { name: "a msgid of 65 bytes", bytes: envelope({ type: "status", msgid: "m".repeat(65) }), error: "BAD_FRAME" },
    { name: "a msgid of 66 bytes in 33 letters", bytes: envelope({ type: "status", msgid: "ü".repeat(33) }), error: "BAD_FRAME" },
    { name: "a payload that is no JSON", bytes: envelope(json("{")), error: "BAD_FRAME" },
    { name: "a payload of no JSON at all", bytes: envelope(json("")), error: "BAD_FRAME" },
    { name: "a payload of two texts", bytes: envelope(json("1 2")), error: "BAD_FRAME" },
    { name: "JSON nested too deep", bytes: envelope(json(nested(maxPayloadDepth + 1))), error: "BAD_FRAME" },
    { name: "JSON nested 10,000 levels", bytes: envelope(json(nested(10_000))), error: "BAD_FRAME" },
    { name: "a batch of too many", bytes: frame({ case: "batch", value: { data: new Array(maxBatch + 1).fill({ type: "status" }) } }), error: "BAD_FRAME" },
    { name: "a batch with one of qos 1 without msgid", bytes: frame({ case: "batch", value: { data: [{ type: "status" }, { type: "status", qos: 1 }] } }), error: "BAD_FRAME" },
    { name: "subscribe with qos 3", bytes: frame({ case: "subscribe", value: { topic: "#", qos: 3 } }), error: "BAD_FRAME" },
    { name: "subscribe with a policy that is none", bytes: frame({ case: "subscribe", value: { topic: "#", overflow: "drop" } }), error: "BAD_FRAME" },
    { name: "subscribe with a limit of 100,001", bytes: frame({ case: "subscribe", value: { topic: "#", limit: 100_001 } }), error: "BAD_FRAME" },
    ...['{"$base64":"not base64"}', ' { "$base64" : "AQ" } ', '{"\\u0024base64":"AQ="}', '{"$base64":"AR=="}'].flatMap((json) => [
      { name: `payload ${json}`, bytes: frame({ case: "envelope", value: { type: "status", payload: { case: "json", value: json } } }), error: "BAD_FRAME" as const },
      { name: `answer ${json}`, bytes: frame({ case: "ack", value: { msgid: "m", payload: { case: "json", value: json } } }), error: "BAD_FRAME" as const },
    ]),
    { name: "ack with offset -1", bytes: frame({ case: "ack", value: { msgid: "m", offset: -1n } }), error: "BAD_FRAME" },
    { name: "subscribe since -1", bytes: frame({ case: "subscribe", value: { topic: "#", since: -1n } }), error: "BAD_FRAME" },
    { name: "subscribe since 2^53", bytes: frame({ case: "subscribe", value: { topic: "#", since: 2n ** 53n } }), error: "BAD_FRAME" },
    { name: "an ack of another status", bytes: frame({ case: "ack", value: { msgid: "m", status: "fine" } }), error: "BAD_FRAME" },
    { name: "an ack without msgid", bytes: frame({ case: "ack", value: {} }), error: "BAD_FRAME" },
    { name: "an answer that is no JSON", bytes: frame({ case: "ack", value: { msgid: "m", payload: { case: "json", value: "{" } } }), error: "BAD_FRAME" },
    { name: "an answer nested 10,000 levels", bytes: frame({ case: "ack", value: { msgid: "m", payload: { case: "json", value: nested(10_000) } } }), error: "BAD_FRAME" },
  ],
});

describe("envelopeProto", () => {
  it("encode() refuses a batch", () => assert.throws(() => envelopeProto.create().encode({ kind: "batch", messages: [] }), TypeError));

  it("decode() reads a batch", () => {
    const bytes = frame({ case: "batch", value: { data: [{ type: "status", from: "a" }, { type: "control", to: "l", qos: 1, msgid: "b" }, { type: "event", from: "a", payload: { case: "json", value: "5" } }] } });
    const decoded = envelopeProto.create().decode(bytes, 0, bytes.length) as Frame;
    assert.ok(decoded.kind === "batch");
    assert.deepEqual(decoded.messages.map(({ type, from, to, msgid, payload }) => [type, from, to, msgid, payload]), [["status", "a", "server", "", null], ["command", "", "l", "b", null], ["event", "a", "server", "", 5]]);
  });

  it("decode() checks a field that is wrong once the same connection has sent right ones", () => {
    const codec = envelopeProto.create();
    const take = (init: EnvelopeInit): unknown => codec.decode(envelope(init), 0, envelope(init).length);
    for (const bad of [{ qos: 3 }, { timestamp: -1n }, { expires: -1n }, { msgid: "ü".repeat(33) }, { from: "a b" }, { to: "+" }, { type: "X" }]) {
      take({ type: "status", from: "a" });
      take({ type: "status", from: "a" });
      assert.throws(() => take({ type: "status", from: "a", ...bad }), { code: "BAD_FRAME" }, Object.keys(bad)[0]);
    }
  });
});

const id = fc.stringMatching(/^[A-Za-z0-9_:@-]{1,20}(\/[A-Za-z0-9_:@-]{1,9}){0,3}$/);
const time = fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 2 ** 31 }), fc.integer({ min: 1, max: 8_640_000_000_000_000 }));
const draft = fc.record({
  type: fc.stringMatching(/^[a-z][a-z0-9-]{0,31}$/).filter((type) => type !== "control"),
  from: id,
  to: fc.oneof(fc.constant("server"), id),
  msgid: fc.string({ unit: "grapheme", minLength: 1, maxLength: 64 }).filter((text) => text.isWellFormed() && Buffer.byteLength(text) <= 64),
  timestamp: time,
  qos: fc.constantFrom(0 as const, 1 as const, 2 as const),
  retain: fc.boolean(),
  expires: fc.option(time, { nil: undefined }),
  payload: fc.oneof(fc.jsonValue({ maxDepth: 5 }), fc.uint8Array({ maxLength: 300 })),
});
const offset = fc.option(fc.maxSafeNat(), { nil: undefined });

describe("envelopeProto and the generated code", () => {
  it("encodeMessage() is read by the generated code, as a frame and bare", () => {
    fc.assert(fc.property(draft, offset, (one, at) => {
      const message = createMessage(one);
      const { frame: { case: kind, value } } = fromBinary(FrameSchema, envelopeProto.create().encodeMessage(message, at)!);
      assert.ok(kind === "envelope");
      assert.deepEqual(fromBinary(EnvelopeSchema, bareEnvelopeProto(message, at)), value);
      const { ver, msgid, timestamp, from, to, type, qos, retain, expires } = value;
      assert.deepEqual({ ver, msgid, timestamp, from, to, type, qos, retain, expires, offset: value.offset }, { ver: "1.0", msgid: one.msgid, timestamp: BigInt(one.timestamp), from: one.from, to: one.to, type: one.type, qos: one.qos, retain: one.retain, expires: one.expires === undefined ? undefined : BigInt(one.expires), offset: at === undefined ? undefined : BigInt(at) });
      if (one.payload instanceof Uint8Array) assert.deepEqual(new Uint8Array(value.payload.value as Uint8Array), one.payload);
      else assert.equal(value.payload.value, formatPayload(one.payload));
    }), { numRuns: 1500, seed: 48_001 });
  });

  it("decode() reads what the generated code writes", () => {
    const codec = envelopeProto.create();
    fc.assert(fc.property(draft, (one) => {
      const payload = one.payload instanceof Uint8Array ? { case: "data" as const, value: one.payload } : { case: "json" as const, value: JSON.stringify(one.payload) };
      const bytes = envelope({ ...one, ver: "1.0", timestamp: BigInt(one.timestamp), expires: one.expires === undefined ? undefined : BigInt(one.expires), payload } as EnvelopeInit);
      const message = codec.decode(bytes, 0, bytes.length) as Message;
      const { type, from, to, msgid, timestamp, qos, retain, expires } = message;
      assert.deepEqual({ type, from, to, msgid, timestamp, qos, retain, expires, payload: JSON.parse(message.payloadText()) }, { ...one, payload: JSON.parse(formatPayload(one.payload)) });
    }), { numRuns: 1500, seed: 48_002 });
  });
});
