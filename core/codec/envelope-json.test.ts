import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import { createMessage, Message, toJsonObject, type Draft } from "../envelope.ts";
import { BusbarError } from "../errors.ts";
import type { Frame } from "../frame.ts";
import { codecSuite, type CodecCase, type ExpectedFrame } from "../testkit/codec-suite.ts";
import { encodeEnvelopeJson } from "./envelope-json-encode.ts";
import { envelopeJson, maxBatch, maxPayloadDepth } from "./envelope-json.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const nested = (levels: number): string => "[".repeat(levels) + "]".repeat(levels);
const message = (draft: Draft): Message => createMessage(draft);
const status = { type: "status", from: "", to: "server", msgid: "", timestamp: 0, qos: 0, retain: false } as const;

const read = (text: string, ...frames: ExpectedFrame[]): CodecCase => ({ name: text.slice(0, 90), bytes: bytes(text), frames });
const write = (text: string, encoded: Message | Exclude<Frame, Message>): CodecCase => ({ name: text.slice(0, 90), bytes: bytes(text), encoded });

codecSuite({
  name: "envelope JSON",
  factory: envelopeJson,
  cases: [
    read('{"type":"auth","deviceId":"sensor-001","token":"t"}', { kind: "auth", deviceId: "sensor-001", token: "t" }),
    read('{"type":"status","payload":1}', { kind: "message", ...status, payload: 1 }),
    read('{"type":"status"}', { kind: "message", ...status, payload: null }),
    read('{"ver":"1.0","msgid":"m","timestamp":5,"from":"a/b","to":"c","type":"command","payload":{"on":true},"qos":2,"retain":true,"expires":9}', { kind: "message", msgid: "m", timestamp: 5, from: "a/b", to: "c", type: "command", payload: { on: true }, qos: 2, retain: true, expires: 9 }),
    read('{"ver":"1.7","type":"x-9","payload":null,"unknown":[[]]}', { kind: "message", type: "x-9", payload: null }),
    read('{"deviceId":"d","type":"control","data":{"on":1},"to":"lamp"}', { kind: "message", type: "command", from: "d", to: "lamp", payload: { on: 1 } }),
    read('{"type":"status","payload":null,"data":1}', { kind: "message", type: "status", payload: null }),
    read('{"type":"status","from":"a","deviceId":"b","payload":0,"data":1}', { kind: "message", from: "a", payload: 0 }),
    read('{"deviceId":"plc-101","timestamp":1634567890123,"values":[{"tag":"t","value":42.5}],"quality":"good"}', { kind: "message", ...status, from: "plc-101", timestamp: 1634567890123, payload: { values: [{ tag: "t", value: 42.5 }], quality: "good" } }),
    read('{"values":[]}', { kind: "message", ...status, payload: { values: [] } }),
    read('{"type":"status","payload":{"$base64":"AQI="}}', { kind: "message", payload: { $base64: "AQI=" } }),
    read(`{"type":"status","payload":${nested(maxPayloadDepth)}}`, { kind: "message", payload: JSON.parse(nested(maxPayloadDepth)) }),
    read(`{"type":"status","payload":"x","msgid":"${"ü".repeat(32)}","qos":1}`, { kind: "message", msgid: "ü".repeat(32), qos: 1 }),
    read(' \n\t{ "type" : "ping" }\r\n', { kind: "ping" }),
    read('{"type":"pong"}', { kind: "pong" }),
    read('{"type":"subscribe","topic":"status/#","qos":1,"since":1234,"ref":"x","binary":true}', { kind: "subscribe", topic: "status/#", qos: 1, since: 1234, ref: "x", binary: true }),
    read(`{"type":"subscribe","topic":"#","since":${Number.MAX_SAFE_INTEGER}}`, { kind: "subscribe", topic: "#", qos: 0, since: Number.MAX_SAFE_INTEGER, ref: undefined, binary: false }),
    read('{"type":"subscribe","topic":"#","epoch":"e","overflow":"latest","limit":100000}', { kind: "subscribe", topic: "#", qos: 0, since: undefined, ref: undefined, binary: false, epoch: "e", overflow: "latest", limit: 100_000 }),
    read('{"type":"unsubscribe","topic":"#"}', { kind: "unsubscribe", topic: "#", ref: undefined }),
    read('{"type":"ack","msgid":"m"}', { kind: "ack", msgid: "m", status: undefined }),
    read('{"type":"ack","msgid":"m","status":"error","payload":{"$base64":"AQ=="}}', { kind: "ack", msgid: "m", status: "error", payload: new Uint8Array([1]) }),
    read('{"type":"ack","msgid":"m","payload":null}', { kind: "ack", msgid: "m", status: undefined, payload: null }),
    read('{"type":"ack","msgid":"m","offset":7}', { kind: "ack", msgid: "m", status: undefined, offset: 7 }),
    read('{"type":"batch","data":[]}', { kind: "batch", messages: [] }),

    write('{"type":"auth_response","status":"success","timestamp":5}', { kind: "auth_response", status: "success", timestamp: 5 }),
    write('{"type":"subscribed","topic":"a/#","ref":"r","offset":0}', { kind: "subscribed", topic: "a/#", ref: "r", offset: 0 }),
    write('{"type":"subscribed","topic":"a/#","offset":5,"epoch":"e"}', { kind: "subscribed", topic: "a/#", offset: 5, epoch: "e" }),
    write('{"type":"subscribed","topic":"a/#"}', { kind: "subscribed", topic: "a/#", ref: undefined, offset: undefined }),
    write('{"type":"unsubscribed","topic":"a"}', { kind: "unsubscribed", topic: "a" }),
    write('{"type":"ack","msgid":"ü\\"","status":"ok"}', { kind: "ack", msgid: 'ü"', status: "ok" }),
    write('{"type":"ack","msgid":"m","status":"ok","payload":{"$base64":"AQ=="}}', { kind: "ack", msgid: "m", status: "ok", payload: new Uint8Array([1]) }),
    write('{"type":"ack","msgid":"m","payload":{"n":"5"}}', { kind: "ack", msgid: "m", payload: { n: 5n } }),
    write('{"type":"error","code":"BAD_FRAME","message":"no","msgid":"m"}', { kind: "error", code: "BAD_FRAME", message: "no", msgid: "m", ref: undefined }),
    write('{"type":"error","code":"UNKNOWN_OFFSET","message":"no","ref":"r","oldest":5,"epoch":"e"}', { kind: "error", code: "UNKNOWN_OFFSET", message: "no", ref: "r", oldest: 5, epoch: "e" }),
    write('{"type":"ping"}', { kind: "ping" }),
    write('{"type":"pong"}', { kind: "pong" }),
    write('{"ver":"1.0","msgid":"m","timestamp":5,"from":"a","to":"server","type":"status","payload":{"t":23.5},"qos":1,"retain":true,"expires":9}', message({ type: "status", from: "a", msgid: "m", timestamp: 5, payload: { t: 23.5 }, qos: 1, retain: true, expires: 9 })),
  ],
  refused: [
    ...["", " ", "x", "null", "5", '"auth"', "[]", '[{"type":"ping"}]', "{", '{"type":"ping"}{"type":"ping"}', '{"type":"ping"} x', "{'type':'ping'}", '{"type":"ping",}', nested(10_000)].map((text) => ({ name: JSON.stringify(text.slice(0, 40)), bytes: bytes(text), error: "SyntaxError" as const })),
    { name: "invalid UTF-8", bytes: new Uint8Array([...bytes('{"type":"'), 0xc3, 0x28, ...bytes('"}')]), error: "SyntaxError" },
    { name: "an overlong NUL", bytes: new Uint8Array([...bytes('{"type":"status","payload":"'), 0xc0, 0x80, ...bytes('"}')]), error: "SyntaxError" },
    { name: "half a surrogate in UTF-8", bytes: new Uint8Array([...bytes('{"type":"status","payload":"'), 0xed, 0xa0, 0x80, ...bytes('"}')]), error: "SyntaxError" },
    ...[
      "{}", '{"type":5}', '{"type":null}', '{"type":"Status"}', '{"type":"auth_response"}', '{"type":"__proto__"}', '{"type":""}', '{"values":{}}', '{"type":null,"values":[]}',
      '{"type":"auth"}', '{"type":"auth","deviceId":"a"}', '{"type":"auth","deviceId":5,"token":"t"}',
      '{"type":"status","ver":"2.0"}', '{"type":"status","ver":"10"}', '{"type":"status","ver":1}', '{"type":"status","from":""}', '{"type":"status","from":5}', '{"type":"status","from":"a b"}', '{"type":"status","to":"a/#"}', '{"type":"status","deviceId":"+"}',
      '{"type":"status","timestamp":-1}', '{"type":"status","timestamp":1.5}', '{"type":"status","timestamp":"5"}', '{"type":"status","timestamp":null}', '{"type":"status","timestamp":1e300}', '{"type":"status","timestamp":8640000000000001}', '{"type":"status","expires":-1}', '{"type":"status","expires":"5"}',
      '{"type":"status","qos":3,"msgid":"m"}', '{"type":"status","qos":"1","msgid":"m"}', '{"type":"status","qos":1}', '{"type":"status","qos":2,"msgid":""}', '{"type":"status","retain":1}', '{"type":"status","retain":null}',
      `{"type":"status","msgid":"${"m".repeat(65)}"}`, `{"type":"status","msgid":"${"ü".repeat(33)}"}`, '{"type":"status","msgid":5}', '{"type":"status","msgid":"\\ud800"}',
      `{"type":"status","payload":${nested(maxPayloadDepth + 1)}}`, `{"type":"status","payload":${nested(10_000)}}`, `{"values":${nested(10_000)}}`, `{"type":"ack","msgid":"m","payload":${nested(10_000)}}`,
      '{"type":"batch"}', '{"type":"batch","data":{}}', '{"type":"batch","data":[1]}', '{"type":"batch","data":[[]]}', '{"type":"batch","data":[{"type":"status"},{}]}', `{"type":"batch","data":[${'{"type":"status"},'.repeat(maxBatch)}{"type":"status"}]}`,
      '{"type":"subscribe"}', '{"type":"subscribe","topic":5}', '{"type":"subscribe","topic":"#","qos":3}', '{"type":"subscribe","topic":"#","since":-1}', '{"type":"subscribe","topic":"#","since":1.5}', '{"type":"subscribe","topic":"#","since":9007199254740992}', '{"type":"subscribe","topic":"#","since":"5"}', '{"type":"subscribe","topic":"#","ref":5}', '{"type":"unsubscribe"}',
      '{"type":"subscribe","topic":"#","overflow":"drop"}', '{"type":"subscribe","topic":"#","overflow":1}', '{"type":"subscribe","topic":"#","limit":0}', '{"type":"subscribe","topic":"#","limit":100001}', '{"type":"subscribe","topic":"#","limit":1.5}', '{"type":"subscribe","topic":"#","limit":"5"}', '{"type":"subscribe","topic":"#","epoch":5}',
      ...['not base64', 'AQ', 'AQ=', 'AQ==\\n', 'AR==', 'A_-=', 'AQ==AQ=='].flatMap((text) => [`{"type":"status","payload":{"$base64":"${text}"}}`, `{"type":"status","payload":{"\\u0024base64":"${text}"}}`, `{"type":"ack","msgid":"m","payload":{"$base64":"${text}"}}`]),
      '{"type":"ack","msgid":"m","offset":-1}', '{"type":"ack"}', '{"type":"ack","msgid":5}', '{"type":"ack","msgid":"m","status":"fine"}',
    ].map((text) => ({ name: text.slice(0, 90), bytes: bytes(text), error: "BAD_FRAME" as const })),
  ],
});

describe("envelopeJson", () => {
  const decode = (text: string): Frame => envelopeJson.create().decode(bytes(text), 0, Buffer.byteLength(text)) as Frame;

  it("decode() reads a batch, shorthand and all, up to its limit", () => {
    const frame = decode('{"type":"batch","data":[{"type":"status","payload":1},{"deviceId":"d","values":[2]},{"type":"control","to":"l","data":3,"qos":1,"msgid":"b"}]}');
    assert.ok(frame.kind === "batch");
    assert.deepEqual(frame.messages.map(({ type, from, to, msgid, payload }) => [type, from, to, msgid, payload]), [["status", "", "server", "", 1], ["status", "d", "server", "", { values: [2] }], ["command", "", "l", "b", 3]]);
    const full = decode(`{"type":"batch","data":[${'{"type":"status"},'.repeat(maxBatch - 1)}{"type":"status"}]}`);
    assert.ok(full.kind === "batch" && full.messages.length === maxBatch);
  });

  it("encode() refuses a batch", () => assert.throws(() => envelopeJson.create().encode({ kind: "batch", messages: [] }), TypeError));

  it("decode() takes no longer for hostile nesting than for as many plain bytes", () => {
    assert.throws(() => decode(`{"type":"status","payload":${nested(500_000)}}`), (error: unknown) => error instanceof BusbarError || error instanceof SyntaxError);
  });
});

const id = fc.stringMatching(/^[A-Za-z0-9_:@-]{1,20}(\/[A-Za-z0-9_:@-]{1,9}){0,3}$/);
const time = fc.oneof(fc.integer({ min: 1, max: 99 }), fc.nat({ max: 8_640_000_000_000_000 }), fc.constantFrom(99_999_999, 100_000_000, 1_634_567_890_123, 8_640_000_000_000_000));
const anyMessage = fc.record({
  type: fc.stringMatching(/^[a-z][a-z0-9-]{0,31}$/),
  from: id,
  to: fc.oneof(fc.constant("server"), id),
  msgid: fc.string({ unit: "grapheme", maxLength: 64 }).filter((text) => text.isWellFormed() && Buffer.byteLength(text) <= 64),
  timestamp: time,
  qos: fc.constantFrom(0 as const, 1 as const, 2 as const),
  retain: fc.boolean(),
  expires: fc.option(time, { nil: undefined }),
  payload: fc.oneof(fc.jsonValue(), fc.uint8Array({ maxLength: 3000 }), fc.string({ unit: "binary", maxLength: 2000 })),
});

describe("encodeEnvelopeJson()", () => {
  it("says what JSON.stringify says", () => {
    fc.assert(fc.property(anyMessage, fc.option(fc.oneof(fc.nat(), fc.maxSafeNat()), { nil: undefined }), fc.boolean(), (draft, offset, parsed) => {
      const one = parsed ? createMessage(draft) : Message.fromJsonText(draft, createMessage(draft).payloadText());
      const text = new TextDecoder("utf-8", { fatal: true }).decode(encodeEnvelopeJson(one, offset));
      assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(toJsonObject(createMessage(draft), offset))));
    }), { numRuns: 3000, seed: 48_000 });
  });

  it("does not write over what it has handed out, whatever the sizes", () => {
    const made = Array.from({ length: 300 }, (_, at) => createMessage({ type: "status", from: "d", msgid: "m" + at, timestamp: at + 1, payload: "é".repeat((at * 7919) % 30_000) }));
    const all = made.map((one) => encodeEnvelopeJson(one, undefined));
    for (const [at, one] of made.entries()) assert.deepEqual(JSON.parse(Buffer.from(all[at]!).toString()), toJsonObject(one));
  });

  it("encodes a message once for each offset, and anew for another message", () => {
    const one = createMessage({ type: "status", from: "d", msgid: "m", timestamp: 1, payload: 1 });
    const first = encodeEnvelopeJson(one, 5);
    assert.equal(encodeEnvelopeJson(one, 5), first);
    assert.notDeepEqual(encodeEnvelopeJson(one, 6), first);
    assert.notDeepEqual(encodeEnvelopeJson(createMessage({ type: "status", from: "d", msgid: "n", timestamp: 1, payload: 1 }), 5), first);
  });

  it("writes every whole number up to 2^53 - 1 digit by digit", () => {
    for (const offset of [0, 9, 10, 99_999_999, 100_000_000, 100_000_001, 999_999_999_999, 2 ** 32, 2 ** 52 + 1, Number.MAX_SAFE_INTEGER]) {
      const one = createMessage({ type: "status", from: "d", msgid: "m", timestamp: 1, payload: 1 });
      assert.ok(Buffer.from(encodeEnvelopeJson(one, offset)).toString().endsWith(`,"offset":${offset}}`), String(offset));
    }
  });
});
