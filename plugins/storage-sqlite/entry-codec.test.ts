import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BusbarError, clearsRetained, Message, type Envelope } from "@busbar/core";
import { journalMessage, sameMessage } from "@busbar/core/testkit";
import { Pack, unpackMessage } from "./entry-codec.ts";
import { clearFlag, entryFlags, entryFrom, entryJson, entryReceived, entrySize, entryTime, entryTopic, replaceFlag, retainFlag } from "./entry-layout.ts";

const id = fc.stringMatching(/^[A-Za-z0-9_:@-]{1,40}(\/[A-Za-z0-9_:@-]{1,40}){0,3}$/);
const time = fc.integer({ min: 1, max: 8_640_000_000_000_000 });
const message = fc
  .record({
    type: fc.stringMatching(/^[a-z][a-z0-9-]{0,31}$/),
    from: id,
    to: fc.oneof(fc.constant("server"), id),
    msgid: fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 }).filter((text) => Buffer.byteLength(text) <= 64 && text.isWellFormed()),
    timestamp: time,
    qos: fc.constantFrom(0, 1, 2),
    retain: fc.boolean(),
    expires: fc.option(time, { nil: undefined }),
    replace: fc.option(fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 }).filter((text) => Buffer.byteLength(text) <= 64 && text.isWellFormed()), { nil: undefined }),
    payload: fc.oneof(fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as unknown), fc.uint8Array({ maxLength: 300 })),
  })
  .chain((draft) => time.map((received): Envelope => journalMessage(draft as Parameters<typeof journalMessage>[0], received)));

test("Pack and unpackMessage() give back every message", () => {
  fc.assert(
    fc.property(fc.array(message, { minLength: 1, maxLength: 20 }), (batch) => {
      const pack = new Pack(new ArrayBuffer(64)); // so that it must grow
      for (const one of batch) pack.add(one);
      assert.equal(pack.count, batch.length);
      const bytes = Buffer.from(pack.buffer, 0, pack.length);
      let at = 0;
      for (const one of batch) {
        sameMessage(unpackMessage(bytes, at), one);
        assert.deepEqual([entryTopic(bytes, at), entryFrom(bytes, at), entryTime(bytes, at), entryReceived(bytes, at), entryFlags(bytes, at)], [one.topic, one.from, one.timestamp, one.received, one.qos | (one.replace === undefined ? 0 : replaceFlag) | (one.retain ? retainFlag : 0) | (one.retain && clearsRetained(one.payload) ? clearFlag : 0)]);
        at += entrySize(bytes, at);
      }
      assert.equal(at, pack.length);
    }),
    { numRuns: 300 },
  );
});

test("Pack.add() copies JSON bytes as they came", () => {
  const text = ' {"a" : 1e2} ';
  const source = Buffer.from("??" + text + "??");
  const pack = new Pack();
  pack.add(Message.fromJsonBytes("status", "a", "server", "1", 1, 0, false, undefined, source, 2, 2 + text.length));
  assert.equal(unpackMessage(Buffer.from(pack.buffer), 0).payloadText(), text);
});

test("Pack.add() refuses more than 512 MiB", () => {
  const pack = new Pack(new ArrayBuffer(512 * 1024 * 1024));
  assert.throws(() => {
    for (;;) pack.add(journalMessage({ payload: "x".repeat(60_000_000) }));
  }, (error: unknown) => error instanceof BusbarError && error.code === "TOO_LARGE");
  assert.ok(pack.count >= 2);
});

test("entryJson() finds the payload behind the replace key", () => {
  const pack = new Pack();
  pack.add(journalMessage({ type: "status", from: "d-1", replace: "ж", payload: { t: 1 } }));
  assert.deepEqual(entryJson(Buffer.from(pack.buffer), 0), { t: 1 });
});

test("unpackMessage() reads what was written before there were replace keys", () => {
  const bytes = Buffer.from("410000000000c00d427779420040df0d42777942000000c585317a4206070303000600636f6d6d616e64632d316170706c616d702d317b226f6e223a747275657d", "hex");
  sameMessage(unpackMessage(bytes, 0), journalMessage({ type: "command", from: "app", to: "lamp-1", msgid: "c-1", qos: 2, retain: true, expires: 1_800_000_000_000, timestamp: 1_750_000_000_000, payload: { on: true } }, 1_750_000_000_500));
});
