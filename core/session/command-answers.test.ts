import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BusbarError } from "../errors.ts";
import { refusingJournal } from "../testkit/refusing-journal.ts";
import { openSessions, settle, type Peer, type SessionsUnderTest } from "./limits-fixture.ts";

const full = new BusbarError("OVERLOAD", "Cannot append to the journal: the disk is full");

/** Gives a command to `d-1` for each msgid. */
async function command({ gateway }: SessionsUnderTest, ...msgids: readonly string[]): Promise<void> {
  for (const msgid of msgids) await gateway.bus.deliver({ type: "command", to: "d-1", msgid, payload: { open: true } });
  await settle();
}

const commandsOf = (peer: Peer): unknown[] => peer.said.filter(({ type }) => type === "command").map(({ msgid }) => msgid);

describe("answers to commands", () => {
  it("that the journal refuses reach whoever gave the command when it takes messages again, once and in order", async () => {
    const disk = refusingJournal();
    await using subject = await openSessions({}, { journal: [disk.plugin, {}] });
    const peer = subject.connect();
    await settle();
    await command(subject, "c1", "c2");
    const heard: unknown[] = [];
    subject.gateway.bus.subscribe("ack/#", ({ payload }) => void heard.push(payload));
    disk.refuseWith = full;
    peer.send({ type: "ack", msgid: "c1", status: "ok", payload: 1 });
    await settle();
    peer.send({ type: "ack", msgid: "c2", status: "error", payload: 2 });
    peer.send({ type: "ack", msgid: "c1", status: "ok", payload: "again" });
    await subject.clock.advance(60_000);
    assert.deepEqual(heard, []);
    assert.deepEqual(commandsOf(peer), ["c1", "c2"], "answered: not sent again");
    disk.refuseWith = undefined;
    for (let second = 0; second < 10; second++) {
      await subject.clock.advance(1000);
      await settle();
    }
    assert.deepEqual(heard, [{ msgid: "c1", status: "ok", result: 1 }, { msgid: "c2", status: "error", result: 2 }]);
    await command(subject, "c3");
    peer.send({ type: "ack", msgid: "c3", status: "ok", payload: 3 });
    await settle();
    assert.deepEqual(heard.slice(2), [{ msgid: "c3", status: "ok", result: 3 }]);
  });

  it("beyond what is kept while the journal refuses are asked for again", async () => {
    const disk = refusingJournal();
    await using subject = await openSessions({}, { journal: [disk.plugin, {}] });
    const peer = subject.connect();
    await settle();
    await command(subject, "c1", "c2");
    const answered: unknown[] = [];
    subject.gateway.bus.subscribe("ack/#", ({ payload }) => void answered.push((payload as { msgid: string }).msgid));
    disk.refuseWith = full;
    const large = "x".repeat(9 * 1024 * 1024); // two of them are more than the 16 MiB that are kept
    for (const msgid of ["c1", "c2"]) {
      peer.send({ type: "ack", msgid, status: "ok", payload: large });
      await settle();
    }
    disk.refuseWith = undefined;
    for (let second = 0; second < 15; second++) {
      await subject.clock.advance(1000);
      await settle();
    }
    assert.deepEqual(commandsOf(peer), ["c1", "c2", "c2"]);
    peer.send({ type: "ack", msgid: "c2", status: "ok", payload: 2 });
    await settle();
    assert.deepEqual(answered, ["c1", "c2"]);
    await subject.clock.advance(60_000);
    assert.equal(commandsOf(peer).length, 3);
  });
});
