import assert from "node:assert/strict";
import { test } from "node:test";
import type { Envelope } from "@busbar/core";
import { protoFrame, signed } from "../support/sign-message.ts";
import { key, otherKey, shift, SignedSite } from "../support/signed-site.ts";

test("a mac that is truncated, empty, padded, of another alphabet, or no text is refused", async (t) => {
  const site = await SignedSite.open(t);
  for (const spoil of [(mac: string) => mac.slice(0, 22), () => "", (mac: string) => `${mac}=`, (mac: string) => ` ${mac}`, (mac: string) => Buffer.from(mac, "base64url").toString("hex"), () => 0, () => null, () => [], () => ({ length: 32 }), () => true]) {
    const frame = signed(key, { from: "home-7" });
    const peer = await site.login("ws", "home-7");
    assert.equal(await peer.say({ ...frame, mac: spoil(frame["mac"] as string) }), "BAD_FRAME");
  }
  const peer = await site.login("tcp");
  const frame = signed(key, { from: "home-7" });
  assert.equal(await peer.say({ ...frame, mac: (frame["mac"] as string).slice(0, 22) }), "BAD_FRAME");
  assert.equal(await peer.say({ ...frame, mac: Buffer.alloc(32).toString("base64url") }), "FORBIDDEN");
  assert.equal(site.seen.length, 0);
  assert.ok(site.refusals("malformed") >= 11);
});

test("a nonce that is missing, empty, overlong, or no text is refused", async (t) => {
  const site = await SignedSite.open(t);
  for (const nonce of ["", "x".repeat(65), "ü".repeat(33), 7, null, {}, undefined]) assert.equal(await (await site.login("ws")).say(signed(key, { from: "home-7", nonce })), "BAD_FRAME", JSON.stringify(nonce));
  assert.equal(await (await site.login("ws")).say(signed(key, { from: "home-7", nonce: "ü".repeat(32) })), "ack");
});

test("a nonce is used up by its first message: another one that is signed well with it is refused", async (t) => {
  const site = await SignedSite.open(t);
  const peer = await site.login("ws");
  assert.equal(await peer.say(signed(key, { from: "home-7", nonce: "once" })), "ack");
  assert.equal(await peer.say(signed(key, { from: "home-7", nonce: "once" })), "FORBIDDEN");
  assert.equal(await peer.say(signed(key, { from: "home-7", nonce: "once", timestamp: shift(-200) })), "FORBIDDEN");
  assert.equal(await peer.say(signed(key, { from: "home-7/lamp", nonce: "once" })), "ack"); // nonces are counted per sender
  assert.equal(site.refusals("replayed"), 2);
});

test("a flood of nonces is refused with OVERLOAD at the device's limit, and its neighbour is heard", async (t) => {
  const site = await SignedSite.open(t, { gateway: { noncesPerDevice: 100 } });
  const [peer, neighbour] = [await site.login("ws"), await site.login("tcp", "home-8")];
  const answers: string[] = [];
  for (let at = 0; at < 130; at++) answers.push(await peer.say(signed(key, { from: `home-7/${at}` })));
  assert.deepEqual(answers, [...Array<string>(100).fill("ack"), ...Array<string>(30).fill("OVERLOAD")]);
  assert.equal(await neighbour.say(signed(otherKey, { from: "home-8" })), "ack");
  assert.equal(site.gateway.metric("busbar_signed_nonces"), 101);
});

test("frames with wrong signatures leave nothing behind in the memory of nonces", async (t) => {
  const site = await SignedSite.open(t);
  const peer = await site.login("tcp");
  for (let at = 0; at < 200; at++) assert.equal(await peer.say(signed(otherKey, { from: "home-7" })), "FORBIDDEN");
  assert.equal(site.gateway.metric("busbar_signed_nonces"), 0);
});

test("signed frames that are reordered on their way are each taken once: a nonce is no counter", async (t) => {
  const site = await SignedSite.open(t);
  const peer = await site.login("ws");
  const frames = Array.from({ length: 50 }, (_, at) => signed(key, { from: "home-7", payload: at, nonce: String(at), timestamp: shift(-at) }));
  for (const frame of [...frames].reverse()) assert.equal(await peer.say(frame), "ack");
  assert.deepEqual((await site.arrived(50)).map(({ payload }) => payload), frames.map((_, at) => 49 - at));
  for (const frame of frames) assert.equal(await peer.say(frame), "ack");
  assert.equal(site.seen.length, 50);
});

test("white space, escapes and member order do not matter to a signature; what is delivered is what was signed", async (t) => {
  const site = await SignedSite.open(t);
  const ws = await site.login("ws");
  const frame = signed(key, { from: "home-7", payload: { b: "Aé", a: 1 } });
  const text = JSON.stringify(Object.fromEntries(Object.entries(frame).reverse()), undefined, 3).replace('"Aé"', '"\\u0041\\u00e9"').replace('"a": 1', '"a": 1.0e0');
  ws.driver.sendBytes(new TextEncoder().encode(text));
  assert.equal(await ws.answer(), "ack");
  const tcp = await site.login("tcp", "home-7/lamp");
  const other = signed(key, { from: "home-7/lamp", payload: { b: [1, 9007199254740992], a: "x" } });
  tcp.driver.sendBytes(protoFrame(other, ' { "b" : [ 1.0, 9007199254740993 ],\n"a":"\\u0078" } '));
  assert.equal(await tcp.answer(), "ack");
  const [one, two] = await site.arrived(2);
  assert.deepEqual([one!.payload, two!.payload], [{ b: "Aé", a: 1 }, { b: [1, 9007199254740992], a: "x" }]);
});

test("a name that comes twice cannot carry a value past the signature to a reader that takes the first one", async (t) => {
  const site = await SignedSite.open(t);
  const peer = await site.login("tcp");
  const reader = await site.login("tcp", "reader");
  reader.driver.send({ kind: "subscribe", topic: "status/#", qos: 0 });
  await reader.driver.next("subscribed");
  const frame = signed(key, { from: "home-7", payload: { limit: 20 } });
  peer.driver.sendBytes(protoFrame(frame, '{"limit":9999,"limit":20}'));
  assert.equal(await peer.answer(), "ack");
  await reader.driver.next("status");
  const message = (await site.arrived(1))[0] as Envelope & { payloadText(): string };
  assert.equal(message.payloadText(), '{"limit":20}');
});

test("a number beyond the doubles and half a surrogate pair have no canonical form and are refused", async (t) => {
  const site = await SignedSite.open(t);
  const peer = await site.login("tcp");
  const frame = signed(key, { from: "home-7", payload: null });
  for (const json of ["1e400", '"\\ud800"']) {
    peer.driver.sendBytes(protoFrame(frame, json));
    assert.equal(await peer.answer(), "BAD_FRAME");
  }
  assert.equal(site.seen.length, 0);
});

test("stripping the signature lets a frame in only where signatures are not required", async (t) => {
  const site = await SignedSite.open(t, { mode: "accept" });
  const peer = await site.login("ws");
  const { mac, nonce, ...plain } = signed(key, { from: "home-7" });
  assert.equal(await peer.say(plain), "ack");
  assert.equal(await peer.say({ ...plain, mac, msgid: "half-1" }), "BAD_FRAME");
  assert.equal(await peer.say({ ...plain, nonce, msgid: "half-2" }), "BAD_FRAME");
  assert.equal(await peer.say({ ...signed(otherKey, { from: "home-7" }) }), "FORBIDDEN");
  assert.equal(await peer.say(signed(key, { from: "home-7" })), "ack");
});

test("signatures reach neither subscribers nor the journal, and every refusal is in the audit log", async (t) => {
  const site = await SignedSite.open(t, { durable: true });
  const peer = await site.login("tcp");
  const frame = signed(key, { from: "home-7", retain: true });
  const reader = await site.login("tcp", "reader");
  reader.driver.send({ kind: "subscribe", topic: "status/#", qos: 0, since: 0 });
  assert.equal(await peer.say(frame), "ack");
  const delivered = await reader.driver.next("status");
  assert.ok(!("mac" in delivered) && !("nonce" in delivered));
  const audit = site.gateway.next("audit/#");
  assert.equal(await peer.say(signed(otherKey, { from: "home-7" })), "FORBIDDEN");
  const { payload } = await audit;
  assert.deepEqual({ ...(payload as object), remote: "", msgid: "" }, { action: "refused", transport: "tcp", remote: "", id: "home-7", code: "FORBIDDEN", msgid: "", reason: "Cannot take the message: its mac is not that of its sender's key" });
});
