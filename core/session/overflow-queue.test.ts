import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Overflow } from "../bus.ts";
import { completeMessage, createMessage, type Message } from "../envelope.ts";
import { OverflowQueue } from "./overflow-queue.ts";

/** The message `n` of a topic. */
function message(n: number, topic = "a", payload: unknown = n): Message {
  const made = createMessage({ type: "status", from: topic, msgid: `m${n}`, timestamp: 1, payload });
  completeMessage(made, { from: "", now: 1, mint: () => "" });
  return made;
}

function open(policy: Overflow, limit: number, bytes = 1e6) {
  const dropped: Record<string, number> = {};
  const budget = { left: bytes };
  const queue = new OverflowQueue({ policy, limit, budget, dropped: (reason, count) => void (dropped[reason] = (dropped[reason] ?? 0) + count) });
  const take = (): string[] => {
    const taken: string[] = [];
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) taken.push(next.message.msgid);
    return taken;
  };
  return { queue, dropped, budget, take };
}

test("push() drops the oldest, the newest, or asks to disconnect, when the queue is full", () => {
  const oldest = open("drop-oldest", 3);
  for (let n = 1; n <= 5; n++) assert.equal(oldest.queue.push(message(n), undefined), true);
  assert.deepEqual([oldest.take(), oldest.dropped], [["m3", "m4", "m5"], { "drop-oldest": 2 }]);
  const newest = open("drop-newest", 3);
  for (let n = 1; n <= 5; n++) assert.equal(newest.queue.push(message(n), undefined), true);
  assert.deepEqual([newest.take(), newest.dropped], [["m1", "m2", "m3"], { "drop-newest": 2 }]);
  const end = open("disconnect", 3);
  assert.deepEqual([1, 2, 3, 4].map((n) => end.queue.push(message(n), undefined)), [true, true, true, false]);
  assert.deepEqual(end.dropped, { disconnect: 1 });
});

test("push() with latest keeps the newest of each topic in the place of the one before it", () => {
  const { queue, dropped, take } = open("latest", 2);
  for (const [n, topic] of [[1, "a"], [2, "b"], [3, "a"], [4, "a"], [5, "b"]] as const) queue.push(message(n, topic), undefined);
  assert.deepEqual([queue.size, dropped], [2, { latest: 3 }]);
  queue.push(message(6, "c"), undefined); // a third topic: the oldest goes
  assert.deepEqual([take(), dropped], [["m5", "m6"], { latest: 4 }]);
});

test("push() keeps within its bytes, which all queues of a session share", () => {
  const { queue, dropped, budget, take } = open("drop-oldest", 1000, 5000);
  for (let n = 0; n < 10; n++) queue.push(message(n, "a", "x".repeat(1000)), undefined);
  assert.ok(queue.size === 4 && budget.left >= 0, `${queue.size} messages, ${budget.left} bytes left`);
  queue.push(message(10, "a", "x".repeat(10_000)), undefined); // more than all of it
  assert.deepEqual([queue.size, dropped, budget.left], [0, { "drop-oldest": 11 }, 5000]);
  const other = new OverflowQueue({ policy: "drop-newest", limit: 10, budget, dropped: () => {} });
  other.push(message(11, "a", "x".repeat(4500)), undefined);
  queue.push(message(12, "a", "x".repeat(1000)), undefined);
  assert.deepEqual([other.size, queue.size, dropped], [1, 0, { "drop-oldest": 12 }]);
  const latest = new OverflowQueue({ policy: "latest", limit: 10, budget, dropped: () => {} });
  latest.push(message(13), undefined);
  latest.push(message(14, "a", "x".repeat(1000)), undefined); // grows in place, beyond what is there
  assert.deepEqual([latest.size, take()], [0, []]);
  other.clear();
  assert.equal(budget.left, 5000);
});

test("clear() counts what was still waiting", () => {
  const { queue, dropped, budget } = open("drop-oldest", 10);
  for (let n = 0; n < 4; n++) queue.push(message(n), undefined);
  queue.clear();
  queue.clear();
  assert.deepEqual([dropped, budget.left, queue.size], [{ closed: 4 }, 1e6, 0]);
});

test("push() and shift() in any order account for every message", () => {
  const policy = fc.constantFrom<Overflow>("drop-oldest", "drop-newest", "latest", "disconnect");
  fc.assert(
    fc.property(policy, fc.integer({ min: 1, max: 20 }), fc.array(fc.option(fc.constantFrom("a", "b", "c", "d"), { nil: undefined, freq: 3 }), { maxLength: 3000 }), (kind, limit, steps) => {
      const { queue, dropped, budget } = open(kind, limit, 3000);
      let taken = 0;
      let pushed = 0;
      let last = new Map<string, number>();
      for (const step of steps) {
        if (step !== undefined) queue.push(message(++pushed, step), undefined);
        else {
          const next = queue.shift();
          if (next === undefined) continue;
          taken++;
          const n = Number(next.message.msgid.slice(1));
          assert.ok(n > (last.get(next.message.topic) ?? 0), "in order per topic");
          last = last.set(next.message.topic, n);
        }
        assert.ok(queue.size <= limit && budget.left >= 0 && budget.left <= 3000);
      }
      assert.equal(taken + queue.size + Object.values(dropped).reduce((sum, one) => sum + one, 0), pushed);
      queue.clear();
      assert.equal(budget.left, 3000);
    }),
    { numRuns: 300 },
  );
});
