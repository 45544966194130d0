import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Draft, Message } from "../envelope.ts";
import { BusbarError } from "../errors.ts";
import { journalMessage } from "../testkit/journal-message.ts";
import { trackerUnderTest } from "./command-tracker-fixture.ts";

describe("CommandTracker", () => {
  it("follows a command from queued over sent to done or failed", () => {
    const { tracker, command, answer, state, waiting, clock, see, send, told } = trackerUnderTest();
    for (const [msgid, status, wanted] of [["a", "ok", "done"], ["b", "error", "failed"]] as const) {
      const message = command(msgid, "lamp");
      assert.equal(see(message), true);
      assert.deepEqual([state(msgid), waiting("lamp")], ["queued", [msgid]]);
      send(message, "lamp");
      assert.deepEqual([state(msgid), waiting("lamp")], ["sent", [msgid]]);
      see(answer(msgid, "lamp", { status, result: { n: 1 } }));
      assert.deepEqual(tracker.get(msgid), { msgid, from: "app", to: "lamp", state: wanted, result: { n: 1 }, created: clock.now(), expires: clock.now() + 1000 });
      assert.deepEqual(waiting("lamp"), []);
      see(answer(msgid, "lamp", { status: "error", result: "late" }));
      assert.equal(see(message), false, "a known command is not to be sent again");
      assert.deepEqual([state(msgid), tracker.get(msgid)!.result], [wanted, { n: 1 }]);
    }
    assert.deepEqual([told, tracker.openCount], [[], 0]);
  });

  it("takes an answer from the device it is for, from below or above it, to who gave it, and from nobody else", () => {
    const { command, answer, state, see } = trackerUnderTest();
    see(command("a", "home-7"));
    for (const wrong of [answer("a", "home-70"), answer("a", "other"), answer("a", "home-7", { to: "somebody" }), answer("b", "home-7"), journalMessage({ type: "ack", from: "home-7", to: "app", payload: "a" }), journalMessage({ type: "ack", from: "home-7", to: "app", payload: null }), journalMessage({ type: "ack", from: "home-7", to: "app", payload: { msgid: 5 } }), journalMessage({ type: "status", from: "home-7", to: "app", payload: { msgid: "a" } })]) see(wrong);
    assert.equal(state("a"), "queued");
    see(answer("a", "home-7/lamp"));
    assert.equal(state("a"), "done");
    see(command("b", "home-7/lamp"));
    see(answer("b", "home-7"));
    assert.equal(state("b"), "done");
  });

  it("expires what is not answered in time, its own deadline or the default, and has its sender told", async () => {
    const { tracker, command, state, waiting, clock, answer, see, send, told } = trackerUnderTest();
    const [a, b, c] = [command("a", "lamp"), command("b", "lamp", { expires: clock.now() + 500 }), command("c", "lamp", { expires: clock.now() + 5000 })];
    for (const one of [a, b, c]) see(one);
    send(c, "lamp");
    await clock.advance(500);
    assert.deepEqual(waiting("lamp"), ["a", "c"]);
    assert.deepEqual(["a", "b", "c"].map((msgid) => state(msgid)), ["queued", "expired", "sent"]);
    await clock.advance(500);
    see(answer("a", "lamp"));
    assert.equal(state("a"), "expired", "an answer that comes at the deadline is late, also before anybody looked");
    tracker.expire();
    assert.deepEqual(["a", "b", "c"].map((msgid) => state(msgid)), ["expired", "expired", "sent"]);
    assert.deepEqual(told, ["b", "a"].map((msgid) => [msgid, { msgid, status: "error", result: { expired: tracker.get(msgid)!.expires } }]));
    assert.equal(tracker.late("a", { id: "lamp", groups: [] })?.message, a);
    assert.equal(tracker.late("c", { id: "lamp", groups: [] }), undefined);
    assert.equal(tracker.late("a", { id: "fan", groups: [] }), undefined);
    await clock.advance(4000);
    assert.equal(state("c"), "expired");
    assert.deepEqual([waiting("lamp"), tracker.openCount], [[], 0]);
  });

  it("expire() ends at most 1,000 at once, so that telling their senders leaves room for other work", async () => {
    const { tracker, command, see, clock, told, waiting } = trackerUnderTest({ limit: 5000 });
    for (let n = 0; n < 1500; n++) see(command(`c-${n}`, "lamp"));
    await clock.advance(1000);
    tracker.expire();
    assert.deepEqual([told.length, tracker.openCount, waiting("lamp")], [1000, 500, []]);
    tracker.expire();
    assert.deepEqual([told.length, tracker.openCount], [1500, 0]);
  });

  it("waiting() has the commands for an identity, what lies below it, its groups and all, in the order they came", () => {
    const { command, waiting, see } = trackerUnderTest();
    for (const [msgid, to] of [["1", "home-7/a"], ["2", "home-7/b"], ["3", "home-7"], ["4", "home-70"], ["5", "home-7/a"], ["6", "all"], ["7", "home-7/a"], ["8", "group/g"], ["9", "home-7/a"]] as const) see(command(msgid, to, { qos: msgid === "7" ? 0 : 2 }));
    assert.deepEqual(waiting("home-7"), ["1", "2", "3", "5", "6", "9"]);
    assert.deepEqual(waiting("home-7/a", ["g", "other"]), ["1", "5", "6", "8", "9"]);
    assert.deepEqual(waiting("home"), ["6"]);
  });

  it("gives a command that was handed over for good to nobody again, until it is taken back", () => {
    const { tracker, command, state, waiting, see, send } = trackerUnderTest();
    const message = command("a", "home/lamp");
    see(message);
    send(message, "home/lamp", true);
    assert.deepEqual([state("a"), waiting("home/lamp"), waiting("home")], ["sent", [], []]);
    tracker.takeBack(tracker.find(message)!, "home/lamp");
    assert.deepEqual([state("a"), waiting("home/lamp"), waiting("home")], ["queued", ["a"], ["a"]]);
  });

  it("tells commands of the same msgid from different senders apart", () => {
    const { tracker, command, answer, state, see } = trackerUnderTest();
    see(command("1", "lamp"));
    see(command("1", "fan", { from: "other" }));
    const unanswered = (id: string): string | undefined => tracker.unanswered("1", { id, groups: [] })?.message.from;
    assert.deepEqual([unanswered("lamp"), unanswered("fan"), unanswered("door")], ["app", "other", undefined]);
    see(command("1", "lamp", { from: "third" }));
    assert.deepEqual([undefined, 1, 3, 2].map((offset) => tracker.unanswered("1", { id: "lamp", groups: [] }, offset)?.message.from), ["third", "app", "third", undefined]);
    see(answer("1", "fan", { to: "other" }));
    assert.deepEqual([state("1"), state("1", "other")], ["queued", "done"]);
  });

  it("unanswered() finds what is for the device, its groups and all, until it has answered or its answer is on its way", () => {
    const { tracker, command, answer, see } = trackerUnderTest();
    for (const [msgid, to] of [["a", "lamp"], ["b", "group/x"], ["c", "all"]] as const) see(command(msgid, to));
    const found = (id = "lamp"): unknown[] => ["a", "b", "c"].map((msgid) => tracker.unanswered(msgid, { id, groups: ["x"] })?.message.msgid);
    assert.deepEqual(found(), ["a", "b", "c"]);
    assert.equal(tracker.unanswered("b", { id: "lamp", groups: ["y"] }), undefined);
    for (const msgid of ["a", "b"]) tracker.unanswered(msgid, { id: "lamp", groups: ["x"] })!.claim("lamp", true);
    assert.deepEqual([found(), found("fan")], [[undefined, undefined, "c"], [undefined, "b", "c"]]);
    see(answer("b", "lamp"));
    see(answer("c", "lamp"));
    assert.deepEqual([found(), found("fan")], [[undefined, undefined, undefined], [undefined, "b", "c"]]);
  });

  it("keeps each device's answer to a command for many, and ends it at its deadline: done when all that got it said ok, failed when one said error, else expired", async () => {
    for (const [last, wanted] of [["ok", "done"], ["error", "failed"], [undefined, "expired"]] as const) {
      const { tracker, command, answer, see, send, state, waiting, clock, told } = trackerUnderTest();
      const message = command("a", "group/g");
      see(message);
      for (const device of ["d-1", "d-2"]) send(message, device);
      see(answer("a", "d-1", { result: 7 }));
      assert.deepEqual([waiting("d-1", ["g"]), waiting("d-2", ["g"]), waiting("d-3", ["g"]), state("a")], [[], ["a"], ["a"], "sent"]);
      if (last) see(answer("a", "d-2", { status: last }));
      see(answer("a", "d-1", { status: "error" }));
      await clock.advance(1000);
      tracker.expire();
      const at = clock.now() - 1000;
      assert.deepEqual(tracker.get("a"), { msgid: "a", from: "app", to: "group/g", state: wanted, answers: { "d-1": { status: "ok", result: 7, at }, ...(last && { "d-2": { status: last, at } }) }, devices: { handed: 2, answered: last ? 2 : 1 }, created: at, expires: at + 1000 });
      assert.deepEqual([told, tracker.answers(message).length, tracker.late("a", { id: "d-2", groups: ["g"] })?.message.msgid, tracker.late("a", { id: "d-1", groups: ["g"] })], [[], last ? 2 : 1, last ? undefined : "a", undefined]);
    }
    const { command, see, state, clock } = trackerUnderTest();
    see(command("nobody", "all"));
    await clock.advance(1000);
    assert.equal(state("nobody"), "expired");
  });

  it("counts every answer to a command for many and keeps the first 1,000", () => {
    const { tracker, command, answer, see } = trackerUnderTest();
    see(command("a", "all"));
    for (let n = 0; n < 1005; n++) see(answer("a", n === 3 ? "__proto__" : `d-${n}`));
    const { answers, devices } = tracker.get("a")!;
    assert.deepEqual([Object.keys(answers!).length, devices, Object.hasOwn(answers!, "__proto__")], [1000, { handed: 1005, answered: 1005 }, true]);
    assert.deepEqual(tracker.waiting({ id: "d-1004", groups: [] }), [], "also what is not kept is known");
  });

  it("remembers at most so many, lets go of those that are over, and admits no more than that are open", () => {
    const { tracker, command, answer, state, waiting, see } = trackerUnderTest({ limit: 3 });
    for (const msgid of ["a", "b", "c"]) see(command(msgid, "lamp"));
    assert.throws(() => tracker.admit(command("d", "lamp")), { code: "OVERLOAD" });
    see(answer("b", "lamp"));
    assert.equal(tracker.admit(command("d", "lamp")), true);
    assert.throws(() => tracker.admit(command("e", "fan")), { code: "OVERLOAD" }, "d is on its way");
    see(command("d", "lamp"));
    tracker.release(command("d", "lamp"));
    assert.deepEqual(["a", "b", "c", "d"].map((msgid) => state(msgid)), ["queued", undefined, "queued", "queued"]);
    see(command("zero", "lamp", { qos: 0 }));
    assert.equal(state("zero"), undefined);
    see(command("e", "lamp"));
    assert.deepEqual(waiting("lamp"), ["a", "c", "d", "e"], "what is acknowledged is never forgotten");
  });

  it("admit() stamps the deadline, bounds what is open for one device, and lets in what is known or takes another's place", () => {
    const { tracker, command, see, clock } = trackerUnderTest({ perDevice: 2, ttl: 700 });
    const first = command("a", "lamp");
    assert.equal(tracker.admit(first), true);
    assert.equal(first.expires, clock.now() + 700);
    const own = command("b", "lamp", { expires: 5, replace: "k" });
    assert.equal(tracker.admit(own), true);
    assert.equal(own.expires, 5);
    assert.throws(() => tracker.admit(command("c", "lamp")), (error) => error instanceof BusbarError && error.code === "OVERLOAD" && error.message.includes('2 are open for "lamp"'));
    assert.equal(tracker.admit(command("c", "fan")), true);
    for (const one of [first, command("b", "lamp", { replace: "k" })]) {
      see(one);
      tracker.release(one);
    }
    assert.equal(tracker.admit(first), false);
    assert.throws(() => tracker.admit(command("d", "lamp")), { code: "OVERLOAD" });
    assert.equal(tracker.admit(command("e", "lamp", { replace: "k" })), true);
  });

  it("a later command of the same replace key takes the place of one that was not sent, and leaves one alone that was", () => {
    const { tracker, command, answer, see, send, state, waiting, told } = trackerUnderTest();
    const bright = (msgid: string, more: Partial<Draft> = {}): Message => command(msgid, "lamp", { replace: "brightness", ...more });
    see(bright("a"));
    for (const other of [bright("other key", { replace: "colour" }), bright("other device", { to: "fan" }), bright("qos 0", { qos: 0 }), bright("too late", { expires: 1 }), command("no key", "lamp")]) see(other);
    assert.equal(state("a"), "queued");
    see(bright("b", { from: "other-app" }));
    assert.deepEqual([state("a"), tracker.get("a")!.result], ["failed", { replaced: "b" }]);
    assert.deepEqual(told.find(([msgid]) => msgid === "a"), ["a", { msgid: "a", status: "error", result: { replaced: "b" } }]);
    assert.deepEqual(waiting("lamp"), ["other key", "no key", "b"]);
    send(tracker.waiting({ id: "lamp", groups: [] })[2]!.message, "lamp");
    see(bright("c"));
    assert.deepEqual([state("b", "other-app"), state("c")], ["sent", "queued"]);
    see(answer("b", "lamp", { to: "other-app" }));
    assert.deepEqual([state("b", "other-app"), state("c")], ["done", "queued"]);
    see(bright("d"));
    assert.deepEqual([tracker.get("c")!.result, waiting("lamp")], [{ replaced: "d" }, ["other key", "no key", "d"]]);
  });

  it("a command for many that was sent goes to no further device once there is a later one of its replace key", () => {
    const { command, see, send, waiting, state } = trackerUnderTest();
    const first = command("a", "all", { replace: "k" });
    see(first);
    send(first, "d-1");
    see(command("b", "all", { replace: "k" }));
    assert.deepEqual([state("a"), waiting("d-1"), waiting("d-2")], ["sent", ["a", "b"], ["b"]]);
  });

  it("a command that is taken back after a later one took its place has failed", () => {
    const { tracker, command, see, send, state } = trackerUnderTest();
    const first = command("a", "lamp", { replace: "k" });
    see(first);
    send(first, "lamp", true);
    see(command("b", "lamp", { replace: "k" }));
    assert.equal(state("a"), "sent");
    tracker.takeBack(tracker.find(first)!, "lamp");
    assert.deepEqual([state("a"), tracker.get("a")!.result], ["failed", { replaced: "b" }]);
  });

  it("ended() resolves when the command is over, rejects with the signal's reason, and NOT_FOUND for none", async () => {
    const { tracker, command, answer, see } = trackerUnderTest();
    const forever = { from: "app", signal: new AbortController().signal };
    await assert.rejects(tracker.ended("a", forever), { code: "NOT_FOUND" });
    see(command("a", "lamp"));
    const impatient = new AbortController();
    const [first, second] = [tracker.ended("a", forever), tracker.ended("a", { from: "app", signal: impatient.signal })];
    const reason = new Error("no time");
    impatient.abort(reason);
    await assert.rejects(second, reason);
    await assert.rejects(tracker.ended("a", { from: "app", signal: impatient.signal }), reason);
    see(answer("a", "lamp", { result: 5 }));
    assert.deepEqual([(await first).state, (await tracker.ended("a", forever)).result], ["done", 5]);
  });

  it("answers() has what was answered, as it was", () => {
    const { tracker, command, answer, see } = trackerUnderTest();
    const message = command("a", "lamp");
    see(message);
    assert.deepEqual(tracker.answers(message), []);
    const said = answer("a", "lamp", { result: 5 });
    see(said);
    assert.deepEqual(tracker.answers(message), [{ message: said, offset: 2 }]);
    assert.deepEqual(tracker.answers({ from: "app", msgid: "none" }), []);
  });
});
