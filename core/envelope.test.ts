import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { completeMessage, createMessage, createMinter, formatPayload, Message, parsePayload, toJsonObject, type Draft } from "./envelope.ts";
import { BusbarError } from "./errors.ts";

const utf8 = new TextEncoder();

/** A message whose payload is `text`, in the middle of other bytes as in a frame. */
function fromBytes(text: string): { message: Message; bytes: Uint8Array } {
  const json = utf8.encode(text);
  const bytes = new Uint8Array(json.length + 9).fill(0x58);
  bytes.set(json, 4);
  return { message: Message.fromJsonBytes("status", "d-1", "server", "m", 1, 0, false, undefined, bytes, 4, 4 + json.length), bytes };
}

const withPayload = (payload: unknown): Message => new Message("status", "d-1", "server", "m", 1, 0, false, undefined, payload);

/** What `writePayload` writes when exactly `room` bytes are left, or -1. */
function written(message: Message, room: number): string | -1 {
  const target = Buffer.alloc(3 + room, 0x2e);
  const end = message.writePayload(target, 3);
  assert.equal(target.toString("latin1", 0, 3), "...");
  if (end < 0) return -1;
  assert.ok(end <= target.length);
  return target.toString("utf8", 3, end);
}

describe("Message", () => {
  it("payload is parsed only when it is read, and once", () => {
    const { message, bytes } = fromBytes('{"a":[1,null]}');
    bytes.fill(0x5b, 4, 18); // still the message's own bytes: what is read now is what is parsed
    assert.throws(() => message.payload, SyntaxError);
    const { message: good, bytes: later } = fromBytes('{"a":[1,null]}');
    const first = good.payload;
    assert.deepEqual(first, { a: [1, null] });
    later.fill(0);
    assert.equal(good.payload, first);
  });

  it("payloadBytes() does not parse JSON to find out", () => {
    const { message, bytes } = fromBytes('{"$base64":"AQI="}');
    assert.equal(message.payloadBytes(), undefined);
    bytes.fill(0x20);
    assert.equal(message.payloadBytes(), undefined);
  });

  for (const [name, text, payload] of [
    ["an object", '{"t":23.5}', { t: 23.5 }],
    ["bytes", '{"$base64":"AQL/"}', new Uint8Array([1, 2, 255])],
    ["no bytes", '{"$base64":""}', new Uint8Array(0)],
    ["text beyond ASCII", '"ü❄️🙂\\u0000"', "ü❄️🙂\0"],
    ["null", "null", null],
  ] as const) {
    it(`payload and payloadText() agree for ${name}, from bytes, from text and from a value`, () => {
      for (const message of [fromBytes(text).message, Message.fromJsonText({ type: "status", payload: undefined }, text), withPayload(payload)]) {
        assert.deepEqual(JSON.parse(message.payloadText()), JSON.parse(text));
        assert.deepEqual(message.payload, payload);
        assert.deepEqual(JSON.parse(message.payloadText()), JSON.parse(text));
      }
    });
  }

  it("writePayload() of JSON bytes needs exactly as many bytes as there are, short or long", () => {
    for (const size of [2, 64, 65, 5000]) {
      const text = JSON.stringify("x".repeat(size - 2));
      const { message } = fromBytes(text);
      assert.equal(written(message, size), text);
      assert.equal(written(message, size + 1), text);
      assert.equal(written(message, size - 1), -1);
    }
  });

  it("writePayload() of a value never cuts it off, however little room there is", () => {
    for (const payload of ["", "abc", "ü".repeat(40), "温".repeat(40), "🙂".repeat(40), { a: new Array(30).fill(1.5) }, new Uint8Array(100)]) {
      const message = withPayload(payload);
      const text = message.payloadText();
      const size = Buffer.byteLength(text);
      let least = 0;
      while (written(message, least) === -1) least++;
      assert.ok(least >= size && least <= text.length * 3, `${least} for ${size} bytes`);
      for (let room = 0; room < size; room++) assert.equal(written(message, room), -1);
      assert.equal(written(message, least), text);
    }
  });

  it("detach() lets go of the bytes it came from", () => {
    const { message, bytes } = fromBytes('{"a":1}');
    assert.equal(message.detach(), message);
    bytes.fill(0);
    assert.equal(message.payloadText(), '{"a":1}');
    assert.equal(written(message, 21), '{"a":1}');
    assert.deepEqual(message.payload, { a: 1 });
  });

  it("detach() copies payload bytes that are a part of something larger, also a Buffer", () => {
    const chunk = Buffer.from("....abc....");
    for (const part of [new Uint8Array(chunk.buffer, chunk.byteOffset + 4, 3), chunk.subarray(4, 7)]) {
      const message = withPayload(part);
      message.detach();
      const kept = message.payloadBytes()!;
      chunk.fill(0x21, 4, 7);
      assert.deepEqual([...kept], [97, 98, 99]);
      assert.equal(kept.buffer.byteLength, 3);
      chunk.write("abc", 4);
    }
    const whole = new Uint8Array([1, 2]);
    assert.equal(withPayload(whole).detach().payloadBytes(), whole);
  });
});

describe("createMessage()", () => {
  const good: Draft = { type: "status", payload: 1 };

  it("fills in what has a fixed default and leaves the rest to the bus", () => {
    const { ver, type, from, to, msgid, timestamp, qos, retain, expires, payload, topic, received } = createMessage(good);
    assert.deepEqual({ ver, type, from, to, msgid, timestamp, qos, retain, expires, payload, topic, received }, { ver: "1.0", type: "status", from: "", to: "server", msgid: "", timestamp: 0, qos: 0, retain: false, expires: undefined, payload: 1, topic: "", received: 0 });
    assert.equal(createMessage({ type: "status", payload: undefined }).payload, null);
    const message = createMessage(good);
    assert.equal(createMessage(message), message);
  });

  const longest = "a".repeat(256);
  const cases: readonly [keyof Draft, unknown, boolean][] = [
    ["type", "a", true], ["type", "a" + "b".repeat(31), true], ["type", "a" + "b".repeat(32), false], ["type", "", false], ["type", "A", false], ["type", "1a", false], ["type", "a_b", false], ["type", "a\n", false], ["type", "a-9", true], ["type", undefined, false], ["type", 5, false], ["type", ["status"], false],
    ["from", "plc-1", true], ["from", longest, true], ["from", longest + "a", false], ["from", "a/b", true], ["from", "a//b", false], ["from", "/a", false], ["from", "a/", false], ["from", "a/../b", false], ["from", ".", false], ["from", "...", true], ["from", "a b", false], ["from", "ü", false], ["from", "a\n", false], ["from", "+", false], ["from", "#", false], ["from", "a\0", false], ["from", 5, false], ["from", ["d-1"], false],
    ["to", "server", true], ["to", "all", true], ["to", "group/x", true], ["to", longest + "a", false], ["to", "a/#", false], ["to", "", false], ["to", ["d-1"], false],
    ["msgid", "m".repeat(64), true], ["msgid", "m".repeat(65), false], ["msgid", "ü".repeat(32), true], ["msgid", "ü".repeat(32) + "m", false], ["msgid", "ü".repeat(33), false], ["msgid", "🙂".repeat(16), true], ["msgid", "🙂".repeat(16) + "m", false], ["msgid", "温".repeat(21) + "m", true], ["msgid", "温".repeat(22), false], ["msgid", "a\0b\"", true], ["msgid", 5, false], ["msgid", "\ud800", false], ["msgid", "ok\udfff".repeat(9), false],
    ["replace", "k", true], ["replace", "ü".repeat(32), true], ["replace", "ü".repeat(33), false], ["replace", "", false], ["replace", 5, false], ["replace", null, false],
    ["timestamp", 0, true], ["timestamp", 1, true], ["timestamp", 8_640_000_000_000_000, true], ["timestamp", 8_640_000_000_000_001, false], ["timestamp", -1, false], ["timestamp", 1.5, false], ["timestamp", Number.NaN, false], ["timestamp", Infinity, false], ["timestamp", "1", false],
    ["qos", 0, true], ["qos", 1, true], ["qos", 2, true], ["qos", 3, false], ["qos", -1, false], ["qos", 0.5, false], ["qos", "1", false],
    ["expires", undefined, true], ["expires", 0, true], ["expires", 8_640_000_000_000_000, true], ["expires", -1, false], ["expires", Number.NaN, false], ["expires", null, false],
  ];
  for (const [field, value, ok] of cases) {
    it(`${ok ? "takes" : "refuses"} ${field} ${JSON.stringify(value)?.slice(0, 40) ?? String(value)}`, () => {
      const make = (): Message => createMessage({ ...good, [field]: value });
      if (ok) assert.equal(make()[field], value);
      else assert.throws(make, (error: unknown) => error instanceof BusbarError && error.code === "BAD_FRAME" && error.message.includes(field) && error.message.length < 300);
    });
  }
});

describe("completeMessage()", () => {
  it("fills in only what is absent", () => {
    const draft = createMessage({ type: "command", payload: 1, to: "lamp" });
    completeMessage(draft, { from: "app", now: 5, mint: () => "minted" });
    assert.deepEqual([draft.from, draft.msgid, draft.timestamp, draft.received, draft.topic], ["app", "minted", 5, 5, "command/lamp"]);
    completeMessage(draft, { from: "other", now: 9, mint: () => "again" });
    assert.deepEqual([draft.from, draft.msgid, draft.timestamp, draft.received, draft.topic], ["app", "minted", 5, 5, "command/lamp"]);
  });
});

describe("createMinter()", () => {
  it("makes msgids that are valid and unique, also across minters", () => {
    const seen = new Set<string>();
    for (const mint of [createMinter(), createMinter(), createMinter()]) for (let count = 0; count < 10_000; count++) seen.add(mint());
    assert.equal(seen.size, 30_000);
    for (const msgid of seen) assert.match(msgid, /^[\x21-\x7e]{1,40}$/);
  });
});

describe("formatPayload() and parsePayload()", () => {
  const round = (payload: unknown): unknown => parsePayload(JSON.parse(formatPayload(payload)));

  it("give back any JSON value and bytes", () => {
    for (const payload of [null, true, -0.5, 1e308, "", "ü\u2028\n", [], {}, { a: [{ b: null }] }, { $base64: 5 }, { $base64: "AQ==", more: 1 }, [{ $base64: "AQ==" }], new Uint8Array(0), new Uint8Array([0, 128, 255])]) assert.deepEqual(round(payload), payload);
  });

  it("give back the bytes of a view, not of what lies around it", () => {
    assert.deepEqual(round(new Uint8Array([1, 2, 3, 4]).subarray(1, 3)), new Uint8Array([2, 3]));
    assert.deepEqual(round(Buffer.from("xyz").subarray(1)), new Uint8Array([121, 122]));
  });

  it("say a bigint as a decimal string, wherever it is", () => {
    assert.equal(formatPayload(2n ** 64n), '"18446744073709551616"');
    assert.equal(formatPayload({ a: [1n, { b: -5n }], c: 1 }), '{"a":["1",{"b":"-5"}],"c":1}');
  });

  it("say null for what JSON has no word for", () => {
    for (const payload of [undefined, () => 1, Symbol("x"), Number.NaN, Infinity]) assert.equal(formatPayload(payload), "null");
  });

  it("refuse a cycle with a TypeError", () => {
    const cycle: Record<string, unknown> = { n: 1n };
    cycle["self"] = cycle;
    assert.throws(() => formatPayload(cycle), TypeError);
  });
});

describe("toJsonObject()", () => {
  it("has the fields of WIRE §1, expires and offset only where there is one", () => {
    const message = createMessage({ type: "event", from: "d-1", msgid: "m", timestamp: 7, payload: { a: 1 }, qos: 1, retain: true });
    const plain = { ver: "1.0", msgid: "m", timestamp: 7, from: "d-1", to: "server", type: "event", payload: { a: 1 }, qos: 1, retain: true };
    assert.deepEqual(toJsonObject(message), plain);
    assert.deepEqual(Object.keys(toJsonObject(message)), Object.keys(plain));
    assert.deepEqual(toJsonObject(message, 0), { ...plain, offset: 0 });
    assert.deepEqual(toJsonObject(createMessage({ ...plain, type: "event", qos: 1, expires: 9 })), { ...plain, expires: 9 });
  });

  it("is plain JSON whatever the payload", () => {
    const payloadOf = (payload: unknown): unknown => JSON.parse(JSON.stringify(toJsonObject(withPayload(payload))))["payload"];
    assert.deepEqual(payloadOf(new Uint8Array([1, 2])), { $base64: "AQI=" });
    assert.deepEqual(payloadOf({ a: 5n }), { a: "5" });
    assert.deepEqual(payloadOf(2n ** 60n), "1152921504606846976");
  });
});
