import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createMemoryJournal } from "../memory-journal.ts";
import { BusbarError } from "../errors.ts";
import type { Journal } from "../journal.ts";
import { readAll } from "../testkit/journal-message.ts";
import { openSessions, openSessionsOn, settle, type SessionsUnderTest } from "./limits-fixture.ts";

/** Logs in a peer with a last will. */
async function loginWith(subject: SessionsUnderTest, will: object, id = "d-1") {
  const peer = subject.connect({ principal: undefined as never });
  peer.send({ type: "auth", deviceId: id, token: id, will });
  await settle();
  assert.ok(peer.said.some((frame) => frame["type"] === "auth_response"), JSON.stringify(peer.said));
  return peer;
}

/** Payloads of the wills in this journal, in order. */
const published = async (journal: Journal): Promise<unknown[]> => (await readAll(journal, { after: 0, pattern: "event/+" })).map(({ message }) => message.payload);
/** Wills that the journal still holds. */
const held = async (journal: Journal): Promise<number> => (await journal.retained()).filter(({ message }) => message.type === "will").length;

describe("last wills", () => {
  it("of a gateway that was killed are published by the next one after the grace, once, but for those who are back", async () => {
    const journal = createMemoryJournal();
    const killed = await openSessionsOn(journal); // nothing of it runs on: its clock stands still
    for (const id of ["d-1", "d-2", "d-3"]) await loginWith(killed, { type: "event", payload: { from: id }, qos: 1, retain: true }, id);
    await settle();
    assert.deepEqual([await held(journal), await published(journal)], [3, []]);
    {
      await using next = await openSessionsOn(journal, { presenceGrace: 5000 });
      await loginWith(next, { type: "event", payload: "new", qos: 1 }, "d-2");
      await next.clock.advance(4900);
      assert.deepEqual(await published(journal), []);
      await next.clock.advance(200);
      assert.deepEqual(await published(journal), [{ from: "d-1" }, { from: "d-3" }]);
      assert.equal(await held(journal), 1, "that of d-2, who is connected");
    }
    assert.deepEqual(await published(journal), [{ from: "d-1" }, { from: "d-3" }, "new"]);
    await using third = await openSessionsOn(journal);
    await third.clock.advance(20_000);
    assert.equal((await published(journal)).length, 3);
    assert.equal(await held(journal), 0);
  });

  it("that were published just before the gateway was killed do not come again", async () => {
    const journal = createMemoryJournal();
    const append = journal.append.bind(journal);
    journal.append = (batch) => (batch.every(({ type, payload }) => type === "will" && payload === null) ? new Promise(() => {}) : append(batch));
    const killed = await openSessionsOn(journal); // never comes to take it out again
    const peer = await loginWith(killed, { type: "event", payload: "once", qos: 2 });
    for (let count = 0; count < 3; count++) peer.send({});
    await settle();
    assert.deepEqual([await held(journal), await published(journal)], [1, ["once"]]);
    journal.append = append;
    await using next = await openSessionsOn(journal);
    await next.clock.advance(20_000);
    assert.deepEqual([await held(journal), await published(journal)], [0, ["once"]]);
  });

  it("that the journal refuses are published when it takes messages again", async () => {
    const journal = createMemoryJournal();
    let full = false;
    const append = journal.append.bind(journal);
    journal.append = (batch) => (full ? Promise.reject(new BusbarError("OVERLOAD", "full")) : append(batch));
    await using subject = await openSessionsOn(journal);
    const peer = await loginWith(subject, { type: "event", payload: "kept", qos: 1 });
    full = true;
    const late = subject.connect({ principal: undefined as never });
    late.send({ type: "auth", deviceId: "d-2", token: "d-2", will: { type: "event", payload: "kept, too", qos: 1 } });
    await settle();
    assert.ok(late.said.some((frame) => frame["type"] === "auth_response"), "it is let in all the same");
    for (const one of [peer, late]) for (let count = 0; count < 3; count++) one.send({});
    await subject.clock.advance(3000);
    assert.deepEqual([peer.closed, late.closed, await published(journal)], [[4400], [4400], []]);
    full = false;
    await subject.clock.advance(12_000);
    assert.deepEqual([await published(journal), await held(journal)], [["kept", "kept, too"], 0]);
  });

  it("of a listener's config are those of each device behind it, until its last connection ends", async () => {
    const journal = createMemoryJournal();
    await using subject = await openSessionsOn(journal);
    const options = { principal: undefined as never, trusted: { roles: ["device"] }, will: { type: "event", payload: "silent", qos: 1, retain: false } as const };
    const [one, two] = [subject.connect(options), subject.connect(options)];
    for (const [peer, id] of [[one, "a"], [one, "b"], [two, "b"]] as const) peer.send({ type: "status", from: id, payload: 1 });
    for (let count = 0; count < 3; count++) one.send({});
    await settle();
    assert.deepEqual((await readAll(journal, { after: 0, pattern: "event/+" })).map(({ message }) => message.from), ["a"]);
    for (let count = 0; count < 3; count++) two.send({});
    await settle();
    assert.deepEqual((await readAll(journal, { after: 0, pattern: "event/+" })).map(({ message }) => message.from), ["a", "b"]);
    assert.equal(await held(journal), 0);
  });

  it("of a listener's config that a device may not publish are none, and it is let in", async () => {
    await using subject = await openSessions();
    subject.rights.can = (_principal, topic) => !topic.startsWith("event/");
    const peer = subject.connect({ will: { type: "event", payload: "x", qos: 0, retain: false } });
    assert.deepEqual(peer.closed, []);
    assert.ok(subject.gateway.log.some(({ message }) => message.startsWith("device has no last will")));
  });
});
