import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fakeClock } from "@busbar/core/testkit";
import { WaitingLine, type WaitingLineLimits } from "./waiting-line.ts";

/** A line whose guests write down what happens to them. */
function open(limits: Partial<WaitingLineLimits>) {
  const clock = fakeClock();
  const line = new WaitingLine({ places: 1, length: 10, time: 1000, ...limits }, clock);
  const events: string[] = [];
  const ask = (name: string, address = "one"): (() => void) => line.ask(address, { enter: () => void events.push(`${name} enters`), refuse: (reason) => void events.push(`${name} is refused: ${reason}`) });
  return { clock, line, events, ask };
}

test("ask() lets in at once while there are places", () => {
  const { line, events, ask } = open({ places: 2 });
  ask("a");
  ask("b");
  assert.deepEqual(events, ["a enters", "b enters"]);
  assert.deepEqual([line.taken, line.waiting], [2, 0]);
});

test("ask() lets those who wait in in the order in which they came", () => {
  const { line, events, ask } = open({});
  const leaves = ["a", "b", "c", "d"].map((name) => ask(name));
  assert.deepEqual([line.taken, line.waiting], [1, 3]);
  for (const leave of leaves) leave();
  assert.deepEqual(events, ["a enters", "b enters", "c enters", "d enters"]);
  assert.deepEqual([line.taken, line.waiting], [0, 0]);
});

test("ask() refuses at once when the line is full, and the line goes on", () => {
  const { events, ask } = open({ length: 1 });
  const leave = ask("a");
  ask("b");
  ask("c")();
  leave();
  assert.deepEqual(events, ["a enters", "c is refused: line-full", "b enters"]);
});

test("ask() with a line of length 0 refuses all who find no place", () => {
  const { events, ask } = open({ length: 0 });
  ask("a");
  ask("b");
  assert.deepEqual(events, ["a enters", "b is refused: line-full"]);
});

test("ask() refuses who has waited for `time`, and nobody earlier", async () => {
  const { clock, line, events, ask } = open({});
  ask("a");
  ask("b");
  await clock.advance(500);
  ask("c");
  await clock.advance(499);
  assert.deepEqual(events, ["a enters"]);
  await clock.advance(1);
  assert.deepEqual(events, ["a enters", "b is refused: time"]);
  await clock.advance(500);
  assert.deepEqual(events, ["a enters", "b is refused: time", "c is refused: time"]);
  assert.deepEqual([line.taken, line.waiting, clock.timers], [1, 0, 0]);
});

test("leaving the line frees its place in it, and is never followed by a call", async () => {
  const { clock, line, events, ask } = open({ length: 1 });
  const leave = ask("a");
  ask("b")();
  assert.equal(line.waiting, 0);
  ask("c");
  leave();
  await clock.advance(5000);
  assert.deepEqual(events, ["a enters", "c enters"]);
  assert.equal(clock.timers, 0);
});

test("leaving twice, or after having been refused, frees nothing", async () => {
  const { clock, line, ask } = open({ places: 2 });
  const a = ask("a");
  ask("b");
  const c = ask("c");
  await clock.advance(1000);
  c();
  assert.equal(line.taken, 2);
  a();
  a();
  assert.equal(line.taken, 1);
});

test("a guest may leave while it is let in", () => {
  const { events, ask, line } = open({});
  const leave = ask("a");
  const leaveB = line.ask("one", {
    enter: () => {
      events.push("b enters");
      leaveB();
    },
    refuse: () => assert.fail("refused"),
  });
  ask("c");
  leave();
  assert.deepEqual(events, ["a enters", "b enters", "c enters"]);
  assert.deepEqual([line.taken, line.waiting], [1, 0]);
});

test("close() turns away who waits and leaves the others their places", () => {
  const { clock, line, events, ask } = open({});
  const leave = ask("a");
  ask("b");
  ask("c");
  line.close();
  assert.deepEqual(events, ["a enters", "b is refused: closing", "c is refused: closing"]);
  assert.deepEqual([line.taken, line.waiting, clock.timers], [1, 0, 0]);
  leave();
  assert.equal(line.taken, 0);
});

/** Lets everybody in, one after the other, and tells whose turn it was. */
function drain(addresses: readonly string[]): readonly string[] {
  const line = new WaitingLine({ places: 1, length: 1000, time: 1000 }, fakeClock());
  const turns: string[] = [];
  const inside: (() => void)[] = [];
  const leaveFirst = line.ask("first", { enter: () => {}, refuse: () => assert.fail("refused") });
  for (const address of addresses) {
    const leave = line.ask(address, { enter: () => void (turns.push(address), inside.push(() => leave())), refuse: () => assert.fail("refused") });
  }
  leaveFirst();
  for (let next = inside.shift(); next; next = inside.shift()) next();
  return turns;
}

test("a place that becomes free goes to each address in turn, however many wait from one", () => {
  assert.deepEqual(drain(["b", "b", "b", "b", "c", "d", "d"]), ["b", "c", "d", "b", "d", "b", "b"]);
});

test("who hogs a full line makes room for another address with its newest, never with its oldest", () => {
  const { events, ask, line } = open({ length: 3 });
  const leave = ask("a");
  for (const name of ["b1", "b2", "b3"]) ask(name, "b");
  ask("b4", "b");
  ask("c1", "c");
  ask("c2", "c");
  assert.deepEqual(events.slice(1), ["b4 is refused: line-full", "b3 is refused: line-full", "c2 is refused: line-full"]);
  assert.equal(line.waiting, 3);
  leave();
  assert.equal(events.at(-1), "b1 enters");
});

test("property: of two addresses that wait, neither is ever two turns ahead; everybody gets in", () => {
  const names = ["a", "b", "c", "d"] as const;
  fc.assert(fc.property(fc.array(fc.constantFrom(...names), { maxLength: 40 }), (addresses) => {
    const turns = drain(addresses);
    assert.equal(turns.length, addresses.length);
    const had = (name: string, until: number): number => turns.slice(0, until).filter((one) => one === name).length;
    for (let at = 0; at <= turns.length; at++) {
      const waiting = names.filter((name) => had(name, at) < had(name, turns.length)).map((name) => had(name, at));
      assert.ok(waiting.length === 0 || Math.max(...waiting) - Math.min(...waiting) <= 1, `${turns.slice(0, at).join(" ")} | ${turns.slice(at).join(" ")}`);
    }
  }));
});

test("property: nobody is turned away from a full line, at once or later, while another address has two more in it", () => {
  fc.assert(fc.property(fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 60 }), fc.integer({ min: 0, max: 9 }), (arrivals, length) => {
    const line = new WaitingLine({ places: 1, length, time: 1000 }, fakeClock());
    const waiting = [0, 0, 0, 0, 0];
    line.ask("inside", { enter: () => {}, refuse: () => assert.fail("refused") });
    for (const from of arrivals) {
      const guest = { state: "asking" as "asking" | "waiting" | "refused" };
      line.ask(`a${from}`, {
        enter: () => assert.fail("there is no place"),
        refuse() {
          if (guest.state === "waiting") waiting[from]!--;
          assert.ok(waiting.every((many) => many <= waiting[from]! + 1), `one of a${from} was turned away: ${waiting.join(" ")}`);
          guest.state = "refused";
        },
      });
      if (guest.state === "asking") {
        guest.state = "waiting";
        waiting[from]!++;
      }
      assert.ok(line.waiting <= length);
      assert.equal(line.waiting, waiting.reduce((sum, one) => sum + one, 0));
    }
  }));
});
