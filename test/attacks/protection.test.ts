import assert from "node:assert/strict";
import { test } from "node:test";
import { commandFor, envelopeJson } from "@busbar/core";
import { PeerDriver, until } from "@busbar/core/testkit";
import { createRig } from "../faults/rig.ts";
import { openPeer } from "../support/open-peer.ts";
import { jsonFrame, signed, type WireEnvelope } from "../support/sign-message.ts";
import { key, lampKey, loginAt, newKey, otherKey, shift, SignedSite } from "../support/signed-site.ts";

for (const way of ["ws", "wsProto", "tcp"] as const) {
  test(`a signed frame that was recorded and is sent again over the same ${way} connection arrives once`, async (t) => {
    const site = await SignedSite.open(t);
    const peer = await site.login(way);
    const live = signed(key, { from: "home-7", qos: 0 });
    peer.send(live);
    await site.arrived(1);
    assert.equal(await peer.say(live), "FORBIDDEN");
    const stored = signed(key, { from: "home-7" });
    assert.deepEqual([await peer.say(stored), await peer.say(stored)], ["ack", "ack"]); // WIRE §2: the same msgid is acknowledged again
    assert.equal(await peer.say({ ...stored, qos: 0 }), "FORBIDDEN");
    assert.equal((await site.arrived(2)).length, 2);
    assert.equal(site.refusals("replayed"), 1);
    assert.equal(site.refusals("mac"), 1);
  });
}

test("a signed frame recorded on a WebSocket and replayed over TCP, and over HTTP, arrives once", async (t) => {
  const site = await SignedSite.open(t);
  const [ws, tcp] = [await site.login("ws"), await site.login("tcp", "home-7/lamp")];
  const live = signed(key, { from: "home-7/lamp", qos: 0 });
  ws.send(live);
  await site.arrived(1);
  assert.equal(await tcp.say(live), "FORBIDDEN");
  const post = await fetch(`${site.gateway.status("http").addresses[0]!.url}/api/messages`, { method: "POST", headers: { authorization: "Bearer home-7", "content-type": "application/json" }, body: JSON.stringify(live) });
  assert.deepEqual([post.status, ((await post.json()) as { readonly code: string }).code], [403, "FORBIDDEN"]);
  const stored = signed(key, { from: "home-7/lamp" });
  assert.deepEqual([await ws.say(stored), await tcp.say(stored)], ["ack", "ack"]);
  assert.equal((await site.arrived(2)).length, 2);
  assert.equal(site.refusals("replayed"), 2);
});

test("a signed frame that is sent over two connections in the same moment arrives once", async (t) => {
  const site = await SignedSite.open(t, { durable: true });
  const [ws, tcp] = [await site.login("ws"), await site.login("tcp", "home-7/lamp")];
  for (let round = 0; round < 20; round++) {
    const live = signed(key, { from: "home-7/lamp", qos: 0, payload: round });
    const stored = signed(key, { from: "home-7/lamp", payload: round });
    for (const peer of [ws, tcp]) peer.send(live);
    for (const peer of [ws, tcp]) peer.send(stored);
    await until("three answers", () => ws.driver.pending + tcp.driver.pending >= 3);
    const answers = [];
    for (const peer of [ws, tcp]) while (peer.driver.pending > 0) answers.push(await peer.answer());
    assert.deepEqual(answers.sort(), ["FORBIDDEN", "ack", "ack"]);
  }
  assert.equal((await site.arrived(40)).length, 40);
});

test("a signed frame that is replayed after a restart of the gateway arrives once", async (t) => {
  const site = await SignedSite.open(t, { durable: true, gateway: { dedupeWindow: 0 } }); // so that only the nonce stands in its way
  const live = signed(key, { from: "home-7", qos: 0 });
  const stored = signed(key, { from: "home-7" });
  const first = await site.login("ws");
  first.send(live);
  await site.arrived(1);
  assert.equal(await first.say(stored), "ack");
  for (let restarts = 0; restarts < 2; restarts++) {
    await site.restart();
    const again = await site.login("tcp");
    assert.equal(await again.say(live), "FORBIDDEN");
    assert.equal(await again.say(stored), "ack");
    assert.equal(site.seen.length, 2);
  }
});

test("a signed frame that is replayed after the gateway was killed arrives once", { timeout: 120_000 }, async () => {
  const auth = { keyFile: "signing.key", roles: { all: { publish: ["#"], subscribe: ["#"] } }, messageKeys: { "home-7": [{ key }] } };
  await using rig = await createRig({ runtime: { name: "the one under test", command: commandFor }, gateway: { dedupeWindow: 0 }, plugins: { "auth-jwt": auth, websocket: { signed: "require" }, "tcp-protobuf": { port: 0, signed: "require" } } });
  const token = await rig.tokenFor("home-7");
  const frames = Array.from({ length: 50 }, (_, at) => signed(key, { from: "home-7", payload: at, qos: at % 2 }));
  const first = rig.start();
  const before = await loginAt((await first.ready).get("WebSocket")!, "ws", "home-7", token);
  before.driver.send({ kind: "subscribe", topic: "status/#", qos: 0 });
  for (const frame of frames) before.send(frame);
  const known = new Set<unknown>();
  while (known.size < frames.length) {
    const frame = await before.driver.next();
    if (frame.type === "status") known.add(frame["payload"]);
  }
  await first.kill();
  const second = rig.start();
  const after = await loginAt((await second.ready).get("TCP protobuf (envelope)")!, "tcp", "home-7", token);
  for (const frame of frames) assert.equal(await after.say(frame), frame["qos"] === 0 ? "FORBIDDEN" : "ack");
  assert.equal(await after.say(signed(key, { from: "home-7", payload: "fresh" })), "ack");
  const history = await fetch(`${(await second.ready).get("HTTP API")!}/api/messages?topic=status/%23&limit=1000`, { headers: { authorization: `Bearer ${token}` } });
  const { messages } = (await history.json()) as { readonly messages: readonly { readonly payload: unknown }[] };
  assert.deepEqual(messages.map(({ payload }) => payload), [...frames.filter(({ qos }) => qos === 1).map(({ payload }) => payload), "fresh"]);
});

test("a frame with a timestamp 301 s in the past or the future is refused, one within the window is taken", async (t) => {
  const site = await SignedSite.open(t);
  const peer = await site.login("ws");
  for (const seconds of [-301, 302, -86_400, 86_400 * 365]) assert.equal(await peer.say(signed(key, { from: "home-7", timestamp: shift(seconds) })), "FORBIDDEN", String(seconds));
  for (const seconds of [-295, 295]) assert.equal(await peer.say(signed(key, { from: "home-7", timestamp: shift(seconds) })), "ack", String(seconds));
  assert.equal(site.refusals("time"), 4);
});

test("signedAt takes the place of an old timestamp in the window only when it is signed, too", async (t) => {
  const site = await SignedSite.open(t);
  const peer = await site.login("ws");
  const old = { from: "home-7", timestamp: shift(-86_400) };
  assert.equal(await peer.say(signed(key, { ...old, signedAt: Date.now() })), "ack");
  assert.equal(await peer.say({ ...signed(key, old), signedAt: Date.now() }), "FORBIDDEN");
  assert.equal(await peer.say(signed(key, { ...old, signedAt: shift(-400) })), "FORBIDDEN");
  assert.equal(await peer.say(signed(key, { from: "home-7", signedAt: shift(-400) })), "FORBIDDEN");
  assert.deepEqual([site.refusals("time"), site.refusals("mac")], [2, 1]);
});

test("the mac of another device's key is refused, and so is a device's on behalf of another", async (t) => {
  const site = await SignedSite.open(t);
  const peer = await site.login("tcp");
  assert.equal(await peer.say(signed(otherKey, { from: "home-7" })), "FORBIDDEN");
  assert.equal(await peer.say(signed(lampKey, { from: "home-7" })), "FORBIDDEN");
  assert.equal(await peer.say(signed(key, { from: "home-8" })), "FORBIDDEN");
  assert.equal(await peer.say(signed(otherKey, { from: "home-8" })), "FORBIDDEN"); // signed well, but the session does not speak for it
  for (const [one, from] of [[key, "home-7"], [newKey, "home-7"], [key, "home-7/lamp"], [lampKey, "home-7/lamp"], [lampKey, "home-7/lamp/red"]] as const) assert.equal(await peer.say(signed(one, { from })), "ack", from);
});

test("a device without a key cannot sign its way in, with whatever", async (t) => {
  const site = await SignedSite.open(t);
  const peer = await site.login("ws", "stranger");
  for (const one of [key, "", "stranger", "undefined", "\0".repeat(32)]) assert.equal(await peer.say(signed(one, { from: "stranger" })), "FORBIDDEN");
});

const alterations: readonly (readonly [string, WireEnvelope])[] = [
  ["from", { from: "home-7/door" }], ["to", { to: "lamp-2" }], ["payload", { payload: { on: false } }], ["type", { type: "event" }], ["qos", { qos: 0 }], ["retain", { retain: true }],
  ["timestamp", { timestamp: shift(-1) }], ["nonce", { nonce: "another" }], ["msgid", { msgid: "another" }], ["expires", { expires: shift(3600) }], ["replace", { replace: "another" }], ["signedAt", { signedAt: shift(0) }],
];
for (const way of ["ws", "tcp"] as const) {
  test(`no field of a signed frame can be altered on its way over ${way}`, async (t) => {
    const site = await SignedSite.open(t);
    const peer = await site.login(way);
    const command = { from: "home-7", to: "lamp-1", type: "command", payload: { on: true }, expires: shift(60), replace: "power" };
    for (const [field, other] of alterations) assert.equal(await peer.say({ ...signed(key, command), ...other }), "FORBIDDEN", field);
    for (const field of ["expires", "replace"]) {
      const { [field]: _, ...without } = signed(key, command);
      assert.equal(await peer.say(without), "FORBIDDEN", field);
    }
    assert.equal(await peer.say(signed(key, command)), "ack");
    assert.equal(site.refusals("mac"), alterations.length + 2);
  });
}

test("an unsigned frame is refused where signatures are required: alone, in a batch, over HTTP, as a command, as device bytes, as a last will", async (t) => {
  const site = await SignedSite.open(t);
  const peer = await site.login("ws");
  const { mac: _, nonce: __, ...plain } = signed(key, { from: "home-7" });
  assert.equal(await peer.say(plain), "FORBIDDEN");
  const good = signed(key, { from: "home-7" });
  peer.driver.sendBytes(jsonFrame({ type: "batch", data: [{ ...plain, msgid: "in-a-batch" }, good] }));
  assert.deepEqual([await peer.answer(), await peer.answer()], ["FORBIDDEN", "ack"]);
  const url = site.gateway.status("http").addresses[0]!.url;
  const post = async (path: string, body: unknown): Promise<number> => (await fetch(url + path, { method: "POST", headers: { authorization: "Bearer home-7", "content-type": "application/json" }, body: JSON.stringify(body) })).status;
  assert.equal(await post("/api/messages", plain), 403);
  assert.equal(await post("/api/messages", [plain, plain]), 403);
  assert.equal(await post("/api/devices/lamp-1/commands", { payload: { on: true } }), 403);
  assert.equal(await post("/api/messages", signed(key, { from: "home-7" })), 200);
  assert.equal(await post("/api/messages", [signed(key, { from: "home-7" }), signed(key, { from: "home-7", qos: 0 })]), 200);
  await site.arrived(4);
  const willing = new PeerDriver(await openPeer(site.gateway.urls[0]!, envelopeJson), envelopeJson);
  willing.sendBytes(jsonFrame({ type: "auth", deviceId: "home-7/lamp", token: "home-7/lamp", will: { type: "event", payload: "gone", qos: 1 } }));
  assert.equal((await willing.end()).code, 4403);
  assert.equal(site.seen.length, 4);
});

test("a last will must be signed like a message, and its nonce counts", async (t) => {
  const site = await SignedSite.open(t);
  const will = signed(key, { from: "home-7/lamp", payload: "gone" });
  const login = async (): Promise<PeerDriver> => {
    const driver = new PeerDriver(await openPeer(site.gateway.urls[0]!, envelopeJson), envelopeJson);
    driver.sendBytes(jsonFrame({ type: "auth", deviceId: "home-7/lamp", token: "home-7/lamp", will }));
    return driver;
  };
  const first = await login();
  await first.next("auth_response");
  const thief = await login();
  assert.equal((await thief.end()).code, 4403);
  assert.equal(first.closed, undefined);
  first.destroy();
  assert.deepEqual((await site.arrived(1)).map(({ payload }) => payload), ["gone"]);
  assert.equal(await (await site.login("ws")).say(will), "FORBIDDEN");
});
