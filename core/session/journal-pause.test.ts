import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BusbarError } from "../errors.ts";
import { refusingJournal } from "../testkit/refusing-journal.ts";
import { openSessions, settle, type Peer, type SessionsUnderTest } from "./limits-fixture.ts";

const full = new BusbarError("OVERLOAD", "Cannot append to the journal: the disk is full");
const told = (peer: Peer, type: string): unknown[] => peer.said.filter((frame) => frame["type"] === type).map(({ msgid }) => msgid);

async function seconds({ clock }: SessionsUnderTest, count: number): Promise<void> {
  for (let second = 0; second < count; second++) {
    await clock.advance(1000);
    await settle();
  }
}

/** A peer whose first message, `m0`, the journal has refused. */
async function refusedPeer(subject: SessionsUnderTest): Promise<Peer> {
  const peer = subject.connect();
  peer.send({ type: "event", qos: 1, msgid: "m0", payload: 0 });
  await settle();
  assert.deepEqual([told(peer, "error"), peer.paused], [["m0"], true]);
  return peer;
}

describe("a session whose peer has to wait for the journal", () => {
  it("reads on without hearing, and hears in order what came when the journal takes messages again", async () => {
    const disk = refusingJournal();
    await using subject = await openSessions({}, { journal: [disk.plugin, {}] });
    const live: unknown[] = [];
    subject.gateway.bus.subscribe("status/#", ({ payload }) => void live.push(payload));
    disk.refuseWith = full;
    const peer = await refusedPeer(subject);
    await seconds(subject, 1);
    assert.equal(peer.paused, false);
    peer.send({ type: "status", payload: "s1" });
    peer.send({ type: "event", qos: 1, msgid: "m0", payload: 0 });
    peer.send({ type: "event", qos: 1, msgid: "m1", payload: 1 });
    peer.send({ type: "status", payload: "s2" });
    await seconds(subject, 60);
    assert.deepEqual([live, told(peer, "error")], [[], ["m0"]]);
    disk.refuseWith = undefined;
    await seconds(subject, 10);
    assert.deepEqual([live, told(peer, "ack"), told(peer, "error"), peer.paused], [["s1", "s2"], ["m0", "m1"], ["m0"], false]);
  });

  it("does not read more than 16 KiB ahead", async () => {
    const disk = refusingJournal();
    await using subject = await openSessions({}, { journal: [disk.plugin, {}] });
    disk.refuseWith = full;
    const peer = await refusedPeer(subject);
    await seconds(subject, 1);
    let sent = 0;
    for (; !peer.paused; sent++) peer.send({ type: "event", qos: 1, msgid: `n${sent}`, payload: "x".repeat(1000) });
    assert.ok(sent >= 15 && sent <= 17, `${sent}`);
    await seconds(subject, 10);
    assert.equal(peer.paused, true);
    disk.refuseWith = undefined;
    await seconds(subject, 10);
    assert.deepEqual([peer.paused, told(peer, "error").length], [false, 1 + sent], "they must not overtake m0, which has not come again");
  });
});
