import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Draft, Envelope } from "../envelope.ts";
import { createMemoryJournal } from "../memory-journal.ts";
import { fakeClock } from "../testkit/fake-clock.ts";
import { journalMessage } from "../testkit/journal-message.ts";
import { CommandTracker } from "./command-tracker.ts";

function setUp(limit = 100, ttl = 1000) {
  const clock = fakeClock();
  const tracker = new CommandTracker({ clock, ttl, limit });
  const command = (msgid: string, to: string, more: Partial<Draft> = {}): Envelope => journalMessage({ type: "command", from: "app", qos: 1, msgid, to, ...more }, clock.now());
  const answer = (msgid: string, from: string, more: { readonly to?: string; readonly status?: unknown; readonly result?: unknown } = {}): Envelope =>
    journalMessage({ type: "ack", from, to: more.to ?? "app", qos: 1, payload: { msgid, status: more.status ?? "ok", ...("result" in more && { result: more.result }) } }, clock.now());
  return { clock, tracker, command, answer, state: (msgid: string, from = "app") => tracker.get(msgid, from)?.state, waiting: (id: string) => tracker.waiting(id).map((one) => one.msgid) };
}

describe("CommandTracker", () => {
  it("follows a command from queued over sent to done or failed", () => {
    const { tracker, command, answer, state, waiting, clock } = setUp();
    for (const [msgid, status, wanted] of [["a", "ok", "done"], ["b", "error", "failed"]] as const) {
      const message = command(msgid, "lamp");
      tracker.see(message);
      assert.deepEqual([state(msgid), tracker.isQueued(message), waiting("lamp")], ["queued", true, [msgid]]);
      tracker.sent(message, false);
      assert.deepEqual([state(msgid), tracker.isQueued(message), waiting("lamp")], ["sent", false, [msgid]]);
      tracker.see(answer(msgid, "lamp", { status, result: { n: 1 } }));
      assert.deepEqual(tracker.get(msgid), { msgid, from: "app", to: "lamp", state: wanted, result: { n: 1 }, created: clock.now(), expires: clock.now() + 1000 });
      assert.deepEqual(waiting("lamp"), []);
      tracker.see(answer(msgid, "lamp", { status: "error", result: "late" }));
      tracker.sent(message, false);
      tracker.see(message);
      assert.deepEqual([state(msgid), tracker.get(msgid)!.result], [wanted, { n: 1 }]);
    }
  });

  it("takes an answer from the device it is for, from below or above it, to who gave it, and from nobody else", () => {
    const { tracker, command, answer, state } = setUp();
    tracker.see(command("a", "home-7"));
    for (const wrong of [answer("a", "home-70"), answer("a", "other"), answer("a", "home-7", { to: "somebody" }), answer("b", "home-7"), journalMessage({ type: "ack", from: "home-7", to: "app", payload: "a" }), journalMessage({ type: "ack", from: "home-7", to: "app", payload: null }), journalMessage({ type: "ack", from: "home-7", to: "app", payload: { msgid: 5 } }), journalMessage({ type: "status", from: "home-7", to: "app", payload: { msgid: "a" } })]) tracker.see(wrong);
    assert.equal(state("a"), "queued");
    tracker.see(answer("a", "home-7/lamp"));
    assert.equal(state("a"), "done");
    tracker.see(command("b", "home-7/lamp"));
    tracker.see(answer("b", "home-7"));
    assert.equal(state("b"), "done");
    for (const [msgid, to] of [["c", "all"], ["d", "group/x"]] as const) {
      tracker.see(command(msgid, to));
      tracker.see(answer(msgid, "anybody"));
      assert.equal(state(msgid), "done");
    }
  });

  it("expires what is not answered in time: its own deadline, or the default", async () => {
    const { tracker, command, state, waiting, clock, answer } = setUp();
    tracker.see(command("a", "lamp"));
    tracker.see(command("b", "lamp", { expires: clock.now() + 500 }));
    tracker.see(command("c", "lamp", { expires: clock.now() + 5000 }));
    tracker.sent(command("c", "lamp"), false);
    await clock.advance(500);
    assert.deepEqual(waiting("lamp"), ["a", "c"]);
    assert.deepEqual(["a", "b", "c"].map((msgid) => state(msgid)), ["queued", "expired", "sent"]);
    await clock.advance(500);
    tracker.expire();
    assert.deepEqual(["a", "b", "c"].map((msgid) => state(msgid)), ["expired", "expired", "sent"]);
    tracker.see(answer("a", "lamp"));
    assert.equal(state("a"), "expired");
    await clock.advance(4000);
    assert.equal(state("c"), "expired");
    assert.deepEqual(waiting("lamp"), []);
  });

  it("waiting() has the commands for an identity and what lies below it, in the order they came", () => {
    const { tracker, command, waiting } = setUp();
    for (const [msgid, to] of [["1", "home-7/a"], ["2", "home-7/b"], ["3", "home-7"], ["4", "home-70"], ["5", "home-7/a"], ["6", "all"], ["7", "home-7/a"]] as const) tracker.see(command(msgid, to, { qos: msgid === "7" ? 0 : 2 }));
    assert.deepEqual(waiting("home-7"), ["1", "2", "3", "5"]);
    assert.deepEqual(waiting("home-7/a"), ["1", "5"]);
    assert.deepEqual(waiting("home"), []);
  });

  it("sent() for a device that cannot answer ends the waiting, and such a command does not expire", async () => {
    const { tracker, command, state, waiting, clock } = setUp();
    const message = command("a", "lamp");
    tracker.see(message);
    tracker.sent(message, true);
    assert.deepEqual(waiting("lamp"), []);
    await clock.advance(2000);
    tracker.expire();
    assert.equal(state("a"), "sent");
  });

  it("tells commands of the same msgid from different senders apart", () => {
    const { tracker, command, answer, state } = setUp();
    tracker.see(command("1", "lamp"));
    tracker.see(command("1", "fan", { from: "other" }));
    assert.equal(tracker.unanswered("1", "lamp", [])?.from, "app");
    assert.equal(tracker.unanswered("1", "fan", [])?.from, "other");
    assert.equal(tracker.unanswered("1", "door", []), undefined);
    tracker.see(answer("1", "fan", { to: "other" }));
    assert.deepEqual([state("1"), state("1", "other")], ["queued", "done"]);
  });

  it("unanswered() finds what is for the device, its groups and all; a group's command also once another has answered", () => {
    const { tracker, command, answer } = setUp();
    for (const [msgid, to] of [["a", "lamp"], ["b", "group/x"], ["c", "all"]] as const) tracker.see(command(msgid, to));
    const found = (): unknown[] => ["a", "b", "c"].map((msgid) => tracker.unanswered(msgid, "lamp", ["x"])?.msgid);
    assert.deepEqual(found(), ["a", "b", "c"]);
    assert.equal(tracker.unanswered("b", "lamp", ["y"]), undefined);
    for (const msgid of ["a", "b", "c"]) tracker.see(answer(msgid, msgid === "a" ? "lamp" : "somebody"));
    assert.deepEqual(found(), [undefined, "b", "c"]);
  });

  it("remembers at most so many, and lets go of those that are over first", () => {
    const { tracker, command, answer, state, waiting } = setUp(3);
    for (const msgid of ["a", "b", "c"]) tracker.see(command(msgid, "lamp"));
    tracker.see(answer("b", "lamp"));
    tracker.see(command("d", "lamp"));
    assert.deepEqual(["a", "b", "c", "d"].map((msgid) => state(msgid)), ["queued", undefined, "queued", "queued"]);
    tracker.see(command("e", "lamp"));
    assert.deepEqual(waiting("lamp"), ["c", "d", "e"]);
    assert.equal(tracker.get("a"), undefined);
  });

  it("rebuild() finds in the journal how far each command had come", async () => {
    const { tracker, command, answer, state, waiting, clock } = setUp();
    const journal = createMemoryJournal();
    await tracker.rebuild(journal);
    await journal.append([command("old", "lamp", { expires: clock.now() - 1 }), command("a", "lamp"), command("b", "lamp"), journalMessage({ type: "status" }), answer("b", "lamp", { result: 5 })]);
    await journal.append(Array.from({ length: 2500 }, (_, at) => journalMessage({ type: "event", payload: at })));
    await journal.append([command("c", "fan")]);
    await tracker.rebuild(journal);
    assert.deepEqual(["old", "a", "b", "c"].map((msgid) => state(msgid)), ["expired", "queued", "done", "queued"]);
    assert.equal(tracker.get("b")!.result, 5);
    assert.deepEqual([waiting("lamp"), waiting("fan")], [["a"], ["c"]]);
  });
});
