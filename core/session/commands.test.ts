import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Codec } from "../codec.ts";
import { envelopeJson } from "../codec/envelope-json.ts";
import type { Journal } from "../journal.ts";
import { createMemoryJournal } from "../memory-journal.ts";
import { openSessions, openSessionsOn, settle, type Peer, type SessionsUnderTest } from "./limits-fixture.ts";

const principal = (id: string, ...groups: string[]) => ({ principal: { id, roles: [], groups } });
/** A protocol that takes commands and has no word for an answer. */
const mute: Codec = { ...envelopeJson.create(), encode: () => undefined };
const dumb = { codec: mute, answers: false } as const;

const commandsOf = (peer: Peer): unknown[] => peer.said.filter((frame) => frame["type"] === "command").map((frame) => frame["msgid"]);
const give = (subject: SessionsUnderTest, msgid: string, more: object = {}) => subject.gateway.bus.deliver({ type: "command", to: "d-1", msgid, payload: { n: 1 }, ...more });

/** Every payload of a topic that is in the journal. */
async function payloads(journal: Journal, pattern: string): Promise<unknown[]> {
  return (await journal.read({ after: 0, limit: 10_000, pattern })).entries.map(({ message }) => message.payload);
}

describe("a command to a session", () => {
  it("is sent again with doubling pauses up to a minute until it is answered, each time the same", async () => {
    await using subject = await openSessions();
    const peer = subject.connect({ limits: { redeliver: 10_000 } });
    await settle();
    const began = subject.clock.now();
    await give(subject, "a", { replace: "k" });
    const times: number[] = [];
    for (let seen = 1; subject.clock.now() - began < 200_000; ) {
      await subject.clock.advance(1000);
      if (peer.said.length > seen) times.push(Math.round((subject.clock.now() - began) / 1000));
      seen = peer.said.length;
    }
    assert.deepEqual(times, [10, 30, 70, 130, 190]);
    assert.deepEqual(new Set(peer.said.map((frame) => JSON.stringify(frame))).size, 1);
    assert.deepEqual([peer.said[0]!["expires"], peer.said[0]!["replace"], typeof peer.said[0]!["offset"]], [began + 3_600_000, "k", "number"]);
    const answer = subject.gateway.next("ack/gateway");
    peer.send({ type: "ack", msgid: "a", status: "ok" });
    await answer;
    const before = peer.said.length;
    await subject.clock.advance(120_000);
    assert.equal(peer.said.length, before);
  });

  it("is sent again only when the device has spoken, where it has to speak first", async () => {
    await using subject = await openSessions();
    const peer = subject.connect({ commands: "on-input", limits: { redeliver: 1000 } });
    await give(subject, "a");
    const told = async (ms: number): Promise<unknown[]> => {
      await subject.clock.advance(ms);
      peer.send({ type: "status", payload: 1 });
      return commandsOf(peer);
    };
    assert.deepEqual(await told(0), ["a"]);
    await subject.clock.advance(30_000);
    assert.deepEqual(commandsOf(peer), ["a"]);
    assert.deepEqual(await told(0), ["a", "a"]);
    assert.deepEqual(await told(1999), ["a", "a"]);
    assert.deepEqual(await told(1), ["a", "a", "a"]);
  });

  it("is not sent again on a connection that has acknowledged it without an answer, and again on the next one", async () => {
    await using subject = await openSessions();
    const peer = subject.connect({ limits: { redeliver: 1000 } });
    await settle();
    await give(subject, "a");
    peer.send({ type: "ack", msgid: "a" });
    await subject.clock.advance(60_000);
    assert.deepEqual(commandsOf(peer), ["a"]);
    const next = subject.connect();
    await settle();
    assert.deepEqual([peer.closed, commandsOf(next)], [[4009], ["a"]]);
    const answer = subject.gateway.next("ack/gateway");
    next.send({ type: "ack", msgid: "a", payload: 5 });
    assert.deepEqual((await answer).payload, { msgid: "a", status: "ok", result: 5 });
  });

  it("is never handed over past its deadline: not live, not when the device appears, not repeated", async () => {
    await using subject = await openSessions({ commandTtl: 30_000 });
    const { clock } = subject;
    await give(subject, "waited", { expires: clock.now() + 5000 });
    await clock.advance(5000);
    const peer = subject.connect({ limits: { redeliver: 1000 } });
    await settle();
    for (const qos of [0, 1] as const) {
      const late = { type: "command", to: "d-1", msgid: `late-${qos}`, payload: 1, qos, expires: clock.now() } as const;
      if (qos === 0) subject.gateway.bus.publish(late);
      else await subject.gateway.bus.deliver(late);
    }
    assert.deepEqual(commandsOf(peer), []);
    await give(subject, "a");
    await clock.advance(29_900);
    const before = commandsOf(peer).length;
    assert.ok(before > 1);
    await clock.advance(120_000);
    assert.equal(commandsOf(peer).length, before);
  });

  it("tells its sender when its time runs out, and audits an answer that comes later without counting it", async () => {
    const journal = createMemoryJournal();
    await using subject = await openSessionsOn(journal);
    const peer = subject.connect();
    await settle();
    const expires = subject.clock.now() + 5000;
    await give(subject, "a", { expires });
    const told = subject.gateway.next("ack/gateway");
    await subject.clock.advance(6000);
    assert.deepEqual((await told).payload, { msgid: "a", status: "error", result: { expired: expires } });
    peer.send({ type: "ack", msgid: "a", status: "ok" });
    await settle();
    assert.equal((await payloads(journal, "ack/gateway")).length, 1);
    assert.deepEqual((await payloads(journal, "audit/#")).filter((one) => (one as { late?: boolean }).late), [{ action: "command-result", msgid: "a", status: "ok", from: "gateway", device: "d-1", late: true }]);
  });

  it("is heard once when its device answers twice", async () => {
    const journal = createMemoryJournal();
    await using subject = await openSessionsOn(journal);
    const peer = subject.connect();
    await settle();
    await give(subject, "a");
    for (const payload of [1, 2]) peer.send({ type: "ack", msgid: "a", payload });
    await settle();
    peer.send({ type: "ack", msgid: "a", payload: 3 });
    await settle();
    assert.deepEqual(await payloads(journal, "ack/#"), [{ msgid: "a", status: "ok", result: 1 }]);
  });

  it("waits behind as many as may be unanswered, and goes in order", async () => {
    await using subject = await openSessions();
    for (const msgid of ["a", "b", "c"]) await give(subject, msgid);
    const peer = subject.connect({ limits: { inFlight: 2 } });
    await settle();
    assert.deepEqual(commandsOf(peer), ["a", "b"]);
    await give(subject, "d");
    assert.deepEqual(commandsOf(peer), ["a", "b"]);
    peer.send({ type: "ack", msgid: "b", status: "ok" });
    assert.deepEqual(commandsOf(peer), ["a", "b", "c"]);
    peer.send({ type: "ack", msgid: "c" });
    assert.deepEqual(commandsOf(peer), ["a", "b", "c", "d"]);
  });

  it("waits while the peer takes nothing, instead of ending its session", async () => {
    await using subject = await openSessions();
    for (let n = 0; n < 5; n++) await give(subject, `c-${n}`, { payload: "x".repeat(300) });
    const peer = subject.connect({ limits: { buffer: 4000 } });
    peer.buffered = 3000;
    await settle();
    await subject.clock.advance(5000);
    assert.deepEqual([commandsOf(peer), peer.closed], [[], []]);
    peer.buffered = 0;
    await subject.clock.advance(1000);
    assert.equal(commandsOf(peer).length, 5);
  });

  it("that a later one replaced before it was sent is never sent; one that was sent stays", async () => {
    await using subject = await openSessions();
    for (const [msgid, payload] of [["a", 1], ["b", 2]] as const) await give(subject, msgid, { replace: "brightness", payload });
    const peer = subject.connect();
    await settle();
    await give(subject, "c", { replace: "brightness" });
    assert.deepEqual(commandsOf(peer), ["b", "c"]);
  });

  it("that is known goes to its device once, at any qos", async () => {
    await using subject = await openSessions({ dedupeWindow: 1 });
    const peer = subject.connect();
    await settle();
    await give(subject, "a");
    await give(subject, "b");
    await give(subject, "a"); // its msgid has left the window
    for (let time = 0; time < 2; time++) subject.gateway.bus.publish({ type: "command", to: "d-1", msgid: "c", payload: 1 });
    assert.deepEqual(commandsOf(peer), ["a", "b", "c"]);
  });

  it("is refused with OVERLOAD, before it is acknowledged, when too many are open for its device", async () => {
    await using subject = await openSessions({ commandsPerDevice: 2 });
    const app = subject.connect(principal("app"));
    for (const msgid of ["a", "b", "c", "a"]) app.send({ type: "command", to: "d-1", msgid, qos: 1, payload: 1 });
    app.send({ type: "command", to: "d-2", msgid: "d", qos: 1, payload: 1 });
    await settle();
    assert.deepEqual(app.said.map((frame) => [frame["type"], frame["msgid"], frame["code"]]), [["error", "c", "OVERLOAD"], ["ack", "a", undefined], ["ack", "a", undefined], ["ack", "b", undefined], ["ack", "d", undefined]]);
  });

  it("asked again with its msgid is acknowledged again, and its stored answer comes with it", async () => {
    const journal = createMemoryJournal();
    {
      await using subject = await openSessionsOn(journal);
      const [device, app] = [subject.connect(), subject.connect(principal("app"))];
      await settle();
      app.send({ type: "command", to: "d-1", msgid: "a", qos: 1, payload: 1 });
      await settle();
      app.send({ type: "command", to: "d-1", msgid: "a", qos: 1, payload: 1 });
      await settle();
      assert.deepEqual(app.said.map((frame) => [frame["type"], frame["msgid"]]), [["ack", "a"], ["ack", "a"]], "nothing is answered yet");
      device.send({ type: "ack", msgid: "a", payload: { done: true } });
      await settle();
      assert.deepEqual(commandsOf(device), ["a"]);
    }
    await using subject = await openSessionsOn(journal);
    const app = subject.connect(principal("app"));
    app.send({ type: "command", to: "d-1", msgid: "a", qos: 1, payload: 1 });
    await settle();
    assert.deepEqual(app.said.map((frame) => [frame["type"], frame["from"], frame["payload"]]), [["ack", undefined, undefined], ["ack", "d-1", { msgid: "a", status: "ok", result: { done: true } }]]);
    const answer = await subject.gateway.bus.request({ type: "command", from: "app", to: "d-1", msgid: "a", qos: 1, payload: 1 }, { signal: AbortSignal.timeout(20_000) });
    assert.deepEqual(answer.payload, { msgid: "a", status: "ok", result: { done: true } });
  });

  it("for a group or all goes to each device, also one that appears before the deadline, until that has answered", async () => {
    await using subject = await openSessions();
    const first = subject.connect(principal("d-1", "g"));
    await settle();
    await give(subject, "one", { to: "group/g" });
    await give(subject, "every", { to: "all" });
    first.send({ type: "ack", msgid: "one", payload: 1 });
    first.send({ type: "ack", msgid: "every", payload: 2 });
    const second = subject.connect(principal("d-2", "g"));
    const stranger = subject.connect(principal("d-3"));
    await settle();
    const again = subject.connect(principal("d-1", "g"));
    await settle();
    assert.deepEqual([first, second, stranger, again].map(commandsOf), [["one", "every"], ["one", "every"], ["every"], []]);
  });
});

describe("a command to a device whose protocol knows no answers", () => {
  it("is noted in the journal before it is sent, sent once, and done unconfirmed", async () => {
    const journal = createMemoryJournal();
    await using subject = await openSessionsOn(journal);
    const peer = subject.connect({ ...dumb, limits: { redeliver: 1000 } });
    await settle();
    const sent = subject.gateway.next("command-sent/gateway");
    const answer = subject.gateway.bus.request({ type: "command", to: "d-1", msgid: "a", qos: 1, payload: 1 }, { signal: AbortSignal.timeout(20_000) });
    assert.deepEqual((await sent).payload, { commands: [{ from: "gateway", msgid: "a", device: "d-1", final: true }] });
    assert.deepEqual((await answer).payload, { msgid: "a", status: "ok", result: { unconfirmed: true } });
    subject.gateway.bus.publish({ type: "command", to: "d-1", msgid: "b", payload: 1 });
    await subject.clock.advance(60_000);
    subject.connect(dumb);
    await settle();
    assert.deepEqual(commandsOf(peer), ["a", "b"]);
  });

  it("is not sent again after a crash between the note and the answer", async () => {
    const journal = createMemoryJournal();
    {
      await using subject = await openSessionsOn(journal);
      await give(subject, "a");
      await give(subject, "b");
    }
    const { message } = (await journal.read({ after: 0, limit: 10, pattern: "command/#" })).entries[0]!;
    const note = { commands: [{ from: message.from, msgid: "a", device: "d-1", final: true }] };
    {
      await using subject = await openSessionsOn(journal);
      await subject.gateway.bus.deliver({ type: "command-sent", payload: note });
    }
    await using subject = await openSessionsOn(journal);
    const peer = subject.connect(dumb);
    await settle();
    await settle();
    assert.deepEqual(commandsOf(peer), ["b"]);
  });

  it("waits on when the connection ends before it is noted", async () => {
    await using subject = await openSessions();
    await give(subject, "a");
    const gone = subject.connect({ ...dumb, commands: "on-input" });
    gone.send({ type: "status", payload: 1 });
    const next = subject.connect({ ...dumb, commands: "on-input" }); // ends the other one
    assert.deepEqual(gone.closed, [4009]);
    await settle();
    next.send({ type: "status", payload: 1 });
    await settle();
    assert.deepEqual([commandsOf(gone), commandsOf(next)], [[], ["a"]]);
  });

  it("fails at once when the protocol cannot say it", async () => {
    await using subject = await openSessions();
    subject.connect({ ...dumb, codec: { ...mute, encodeMessage: () => undefined } });
    await settle();
    const answer = await subject.gateway.bus.request({ type: "command", to: "d-1", qos: 1, payload: 1 }, { signal: AbortSignal.timeout(20_000) });
    assert.equal((answer.payload as { status: string }).status, "error");
  });
});
