import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Message } from "../envelope.ts";
import type { Journal } from "../journal.ts";
import { createMemoryJournal } from "../memory-journal.ts";
import { journalMessage } from "../testkit/journal-message.ts";
import { trackerUnderTest } from "./command-tracker-fixture.ts";

describe("CommandTracker.rebuild()", () => {
  async function rebuilt(journal: Journal, setup = trackerUnderTest()) {
    await setup.tracker.rebuild(journal);
    return setup;
  }

  it("finds in the journal how far each command had come", async () => {
    const { command, answer, note, clock } = trackerUnderTest();
    const journal = createMemoryJournal();
    await rebuilt(journal);
    await journal.append([command("old", "lamp", { expires: clock.now() - 1 }), command("a", "lamp"), command("b", "lamp"), journalMessage({ type: "status" }), answer("b", "lamp", { result: 5 })]);
    await journal.append(Array.from({ length: 2500 }, (_, at) => journalMessage({ type: "event", payload: at })));
    await journal.append([command("c", "fan"), command("d", "fan"), note("c", "fan"), command("e", "fan"), note("e", "fan", true), command("all", "all"), note("all", "lamp"), answer("all", "fan")]);
    const { tracker, state, waiting, told } = await rebuilt(journal, trackerUnderTest({ ttl: 5 }));
    assert.deepEqual(["old", "a", "b", "c", "d", "e", "all"].map((msgid) => state(msgid)), ["expired", "queued", "done", "sent", "queued", "sent", "sent"]);
    assert.deepEqual([tracker.get("b")!.result, tracker.get("all")!.devices], [5, { handed: 2, answered: 1 }]);
    assert.deepEqual([waiting("lamp"), waiting("fan")], [["a", "all"], ["c", "d"]]);
    assert.deepEqual(told.map(([msgid]) => msgid), ["old"]);
    assert.deepEqual([tracker.oldest, tracker.find(command("c", "fan"))!.offset], [2, 2506]);
  });

  it("leaves a command over that was, whatever the clock and the config say now", async () => {
    const { clock, command, answer } = trackerUnderTest();
    const journal = createMemoryJournal();
    const expired = { msgid: "a", status: "error", result: { expired: 5 } };
    await journal.append([command("a", "lamp", { expires: clock.now() + 60_000 }), journalMessage({ type: "ack", from: "gateway", to: "app", payload: expired }), answer("a", "lamp")]);
    const { tracker, state, waiting, told } = await rebuilt(journal);
    assert.deepEqual([state("a"), tracker.get("a")!.result, waiting("lamp"), told, tracker.answers({ from: "app", msgid: "a" }).map((one) => one.message.payload)], ["expired", { expired: 5 }, [], [], [expired]]);
  });

  it("replaces what had not been sent, also when the crash came before anybody was told, and never what a note says was sent", async () => {
    const { command, answer, note } = trackerUnderTest();
    const of = (msgid: string, replace: string): Message => command(msgid, "lamp", { replace });
    const journal = createMemoryJournal();
    await journal.append([of("a1", "a"), of("a2", "a"), note("a1", "lamp"), of("b1", "b"), of("b2", "b"), answer("b2", "lamp"), of("c1", "c"), of("c2", "c"), journalMessage({ type: "ack", from: "gateway", to: "app", payload: { msgid: "c1", status: "error", result: { replaced: "c2" } } })]);
    const { tracker, state, waiting, told } = await rebuilt(journal);
    assert.deepEqual(["a1", "a2", "b1", "b2", "c1", "c2"].map((msgid) => state(msgid)), ["sent", "queued", "failed", "done", "failed", "queued"]);
    assert.deepEqual([waiting("lamp"), told], [["a1", "a2", "c2"], [["b1", { msgid: "b1", status: "error", result: { replaced: "b2" } }]]]);
    assert.deepEqual(tracker.get("c1")!.result, { replaced: "c2" });
  });
});
