import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BusbarError } from "../errors.ts";
import { refusingJournal } from "../testkit/refusing-journal.ts";
import { openSessions, settle, store, subscribe, type SessionsUnderTest } from "./limits-fixture.ts";

const full = new BusbarError("OVERLOAD", "Cannot append to the journal: the disk is full");
const retain = ({ gateway }: SessionsUnderTest, from: string, payload: unknown): boolean => gateway.bus.publish({ type: "status", from, payload, retain: true });

async function seconds({ clock }: SessionsUnderTest, count: number): Promise<void> {
  for (let second = 0; second < count; second++) {
    await clock.advance(1000);
    await settle();
  }
}

describe("a subscriber that resumes while the journal refuses", () => {
  it("gets the retained values of qos 0 that are put off, after what it missed, and none of them twice", async () => {
    const disk = refusingJournal();
    await using subject = await openSessions({}, { journal: [disk.plugin, {}] });
    await store(subject, 1, 2);
    disk.refuseWith = full;
    retain(subject, "a", "a old");
    await settle();
    retain(subject, "a", "a");
    retain(subject, "b", "b old");
    const peer = subject.connect();
    subscribe(peer, { since: 0, qos: 0 });
    retain(subject, "b", "b");
    await seconds(subject, 2);
    assert.deepEqual(peer.take(), ["b", 1, 2, "a"]);
    disk.refuseWith = undefined;
    await seconds(subject, 10);
    retain(subject, "a", "a new");
    await settle();
    assert.deepEqual(peer.take(), ["a new"]);
    assert.deepEqual((await disk.journal.retained()).map(({ message }) => message.payload).filter((payload) => typeof payload === "string").sort(), ["a new", "b"]);
  });

  it("gets those, too, that are on their way to the journal when it begins to refuse, and those that it takes before the subscriber has caught up", async () => {
    const disk = refusingJournal();
    await using subject = await openSessions({}, { journal: [disk.plugin, {}] });
    await store(subject, 1, 1);
    retain(subject, "a", "a");
    const peer = subject.connect();
    disk.refuseWith = full;
    subscribe(peer, { since: 0, qos: 0 });
    await seconds(subject, 1);
    assert.deepEqual(peer.take(), [1, "a"]);
    const slow = subject.connect({ principal: { id: "d-2", roles: [], groups: [] } });
    slow.buffered = 3 * 1024 * 1024; // has no room
    subscribe(slow, { since: 0, qos: 0 });
    disk.refuseWith = undefined;
    await seconds(subject, 10);
    assert.deepEqual(slow.take(), []);
    slow.buffered = 0;
    await seconds(subject, 1);
    assert.deepEqual([slow.take(), peer.take()], [[1, "a"], []]);
  });
});
