import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { envelopeJson } from "../codec/envelope-json.ts";
import { createMemoryJournal } from "../memory-journal.ts";
import { definePlugin } from "../plugin.ts";
import { JournalPort } from "../ports.ts";
import * as v from "valibot";
import { openSessions, settle } from "./limits-fixture.ts";

const status = (payload: unknown, more: object = {}): object => ({ type: "status", payload, ...more });

describe("a session", () => {
  it("ends with 4403 when its identity no longer stands, within a second and a half", async () => {
    await using subject = await openSessions();
    const [peer, other] = [subject.connect(), subject.connect({ principal: { id: "d-2", roles: [], groups: [] } })];
    await subject.clock.advance(5000);
    assert.deepEqual(peer.closed, []);
    subject.rights.stands = ({ id }) => id !== "d-1";
    await subject.clock.advance(1500);
    assert.deepEqual([peer.closed, other.closed], [[4403], []]);
    peer.send(status(1));
    assert.equal(subject.gateway.metric("busbar_sessions"), 1);
  });

  it("ends with 4403 at once when the authority says that something changed", async () => {
    await using subject = await openSessions();
    const peer = subject.connect();
    subject.rights.stands = () => false;
    subject.rights.change();
    assert.deepEqual(peer.closed, [4403]);
  });

  it("loses the subscriptions and topics whose right was taken away, and keeps the others", async () => {
    await using subject = await openSessions();
    const peer = subject.connect();
    for (const topic of ["status/a", "status/b"]) peer.send({ type: "subscribe", topic, ref: topic });
    peer.send(status("mine"));
    subject.rights.can = (_principal, topic) => topic === "status/b";
    subject.rights.change();
    assert.deepEqual(peer.said.filter((frame) => frame["type"] === "error").map((frame) => [frame["code"], frame["ref"]]), [["FORBIDDEN", "status/a"]]);
    for (const from of ["a", "b"]) subject.gateway.bus.publish({ type: "status", from, payload: from });
    assert.deepEqual(peer.take(), ["b"]);
    peer.send(status("mine", { msgid: "m" }));
    assert.deepEqual([peer.said.at(-1)!["code"], peer.said.at(-1)!["msgid"], peer.closed], ["FORBIDDEN", "m", []]);
    subject.rights.can = () => true;
    subject.rights.change();
    const arrived = subject.gateway.next("status/d-1");
    peer.send(status("again"));
    assert.equal((await arrived).payload, "again");
  });

  it("ends with 4029 when it says more in a second than it may, batches counted message by message", async () => {
    await using subject = await openSessions();
    const peer = subject.connect({ limits: { rate: 5 } });
    for (let second = 0; second < 3; second++) {
      for (let count = 0; count < 5; count++) peer.send(status(count));
      await subject.clock.advance(1000);
    }
    assert.deepEqual(peer.closed, []);
    for (let count = 0; count < 6; count++) peer.send(status(count));
    assert.deepEqual(peer.closed, [4029]);
    assert.equal(subject.gateway.metric('busbar_received_total{qos="0"}') >= 20, true);
    const batcher = subject.connect({ principal: { id: "d-2", roles: [], groups: [] }, limits: { rate: 5 } });
    batcher.send({ type: "batch", data: Array.from({ length: 50 }, (_, at) => status(at)) });
    assert.deepEqual(batcher.closed, [4029]);
  });

  it("ends with 4401 when nobody says who it is in time, and not before", async () => {
    await using subject = await openSessions();
    const sessions = subject.connect({ principal: { id: "x", roles: [], groups: [] } });
    assert.deepEqual(sessions.closed, []);
    const options = { codec: envelopeJson.create(), limits: { authTimeout: 3000 } };
    const peer = subject.connect({ ...options, principal: undefined as never });
    await subject.clock.advance(2999);
    assert.deepEqual(peer.closed, []);
    await subject.clock.advance(1);
    assert.deepEqual(peer.closed, [4401]);
  });

  it("has at most so many subscriptions", async () => {
    await using subject = await openSessions();
    const peer = subject.connect({ limits: { subscriptions: 2 } });
    for (const topic of ["status/a", "status/b", "status/a", "status/c"]) peer.send({ type: "subscribe", topic });
    assert.deepEqual(peer.said.map((frame) => frame["code"] ?? frame["type"]), ["subscribed", "subscribed", "subscribed", "OVERLOAD"]);
    peer.send({ type: "unsubscribe", topic: "status/a" });
    peer.send({ type: "subscribe", topic: "status/c" });
    assert.equal(peer.said.at(-1)!["type"], "subscribed");
  });

  it("is told what waits for its device when it is known beforehand", async () => {
    await using subject = await openSessions();
    await subject.gateway.bus.deliver({ type: "command", to: "d-1", msgid: "c", payload: 1 });
    const peer = subject.connect();
    await settle();
    assert.deepEqual(peer.said.map((frame) => [frame["type"], frame["msgid"]]), [["command", "c"]]);
  });

  it("whose device has to speak first is told what waits each time it has", async () => {
    await using subject = await openSessions();
    const peer = subject.connect({ commands: "on-input" });
    const told = async (): Promise<unknown[]> => {
      peer.send(status(1));
      await settle();
      return peer.said.splice(0).map((frame) => frame["msgid"]);
    };
    await subject.gateway.bus.deliver({ type: "command", to: "d-1", msgid: "a", payload: 1 });
    await settle();
    assert.deepEqual(peer.said, []);
    assert.deepEqual(await told(), ["a"]);
    assert.deepEqual(await told(), []);
    for (const msgid of ["b", "c"]) await subject.gateway.bus.deliver({ type: "command", to: "d-1", msgid, payload: 1 });
    assert.deepEqual(await told(), ["b", "c"]);
  });

  it("that shows a new token neither leaves nor gets its commands again", async () => {
    await using subject = await openSessions();
    const presence: unknown[] = [];
    subject.gateway.bus.subscribe("event/d-1/presence", ({ payload }) => void presence.push((payload as { presence: string }).presence));
    await subject.gateway.bus.deliver({ type: "command", to: "d-1", msgid: "c", payload: 1 });
    const peer = subject.connect({ principal: undefined as never });
    for (let time = 0; time < 3; time++) {
      peer.send({ type: "auth", deviceId: "d-1", token: "d-1" });
      await settle();
    }
    assert.deepEqual(peer.said.map((frame) => frame["type"]), ["auth_response", "command", "auth_response", "auth_response"]);
    assert.deepEqual(presence, ["online"]);
    await subject.gateway.bus.deliver({ type: "command", to: "d-1", msgid: "d", payload: 1 });
    assert.equal(peer.said.at(-1)!["msgid"], "d");
    assert.equal(peer.said.length, 5, "once");
  });

  it("gets only the codes of WIRE §2, also when the journal is away", async () => {
    const journal = createMemoryJournal();
    let fail: ((error: unknown) => void) | undefined;
    const storage = definePlugin({
      name: "storage", description: "A journal that a test takes away", config: v.strictObject({}), provides: { journal: JournalPort },
      setup: (ctx) => {
        fail = (error) => ctx.fail(error);
        return { journal };
      },
    });
    await using subject = await openSessions({}, { storage: [storage, {}] });
    const peer = subject.connect();
    fail!(new Error("disk"));
    await subject.clock.advance(0);
    peer.send(status(1, { qos: 1, msgid: "m" }));
    peer.send({ type: "subscribe", topic: "status/#", since: 0, ref: "r" });
    await settle();
    assert.deepEqual(peer.said.map((frame) => [frame["type"], frame["code"], frame["msgid"] ?? frame["ref"]]).toSorted(), [["error", "OVERLOAD", "m"], ["error", "OVERLOAD", "r"]]);
    await subject.clock.advance(1000);
    peer.send(status(1, { qos: 1, msgid: "m" }));
    await settle();
    assert.deepEqual([peer.said.at(-1)!["type"], peer.said.at(-1)!["msgid"], peer.closed], ["ack", "m", []]);
  });
});

describe("a session that sends too many bytes", () => {
  const frame = (n: number): object => status({ n, fill: "x".repeat(900) });

  it("is read again when its bytes are paid off, and loses none of its messages", async () => {
    await using subject = await openSessions();
    const seen: number[] = [];
    subject.gateway.bus.subscribe("status/d-1", ({ payload }) => void seen.push((payload as { n: number }).n));
    const peer = subject.connect({ limits: { byteRate: 1000 } });
    peer.send(frame(1));
    assert.equal(peer.paused, false, "a second's worth may come at once");
    for (const n of [2, 3, 4, 5]) peer.send(frame(n)); // read already
    assert.equal(peer.paused, true);
    assert.equal(subject.gateway.metric('busbar_refused_total{reason="byte rate"}'), 1);
    for (let passed = 0; peer.paused; passed += 500) {
      assert.ok(passed < 10_000, "it is read again");
      await subject.clock.advance(500);
    }
    peer.send(frame(6));
    assert.deepEqual([seen, peer.closed], [[1, 2, 3, 4, 5, 6], []]);
  });
});

describe("a session and its subscriptions", () => {
  it("may not go deeper than patternDepth, nor name one by more than 256 characters; others stay", async () => {
    await using subject = await openSessions();
    const peer = subject.connect({ limits: { patternDepth: 3 } });
    peer.send({ type: "subscribe", topic: "status/a/#", ref: "good" });
    peer.send({ type: "subscribe", topic: "status/a/b/#", ref: "deep" });
    peer.send({ type: "subscribe", topic: "status/b", ref: "r".repeat(256) });
    peer.send({ type: "subscribe", topic: "status/b", ref: "r".repeat(257) });
    assert.deepEqual(peer.said.map(({ type, code }) => code ?? type).slice(0, 4), ["subscribed", "BAD_FRAME", "subscribed", "BAD_FRAME"]);
    assert.match(String(peer.said[1]!["message"]), /has 4 levels, 3 are allowed/);
  });
});
