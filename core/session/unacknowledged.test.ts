import assert from "node:assert/strict";
import { test } from "node:test";
import { completeMessage, createMessage, type Message } from "../envelope.ts";
import { Unacknowledged } from "./unacknowledged.ts";

function message(n: number, topic: string): Message {
  const made = createMessage({ type: "status", from: topic, msgid: `m${n}`, timestamp: 1, payload: n, qos: 1 });
  completeMessage(made, { from: "", now: 1, mint: () => "" });
  return made;
}

function open(...topics: readonly string[]) {
  const unacknowledged = new Unacknowledged(1000);
  topics.forEach((topic, at) => unacknowledged.add(message(at + 1, topic), at + 1, at * 100));
  const repeat = (now: number, room = 100): number[] => {
    const sent: number[] = [];
    unacknowledged.repeat(now, (_message, offset) => room-- > 0 && sent.push(offset) > 0);
    return sent;
  };
  return { unacknowledged, repeat };
}

test("repeat() takes later ones of the same topic along, so that what is heard last is in order", () => {
  const { repeat } = open("a", "b", "a", "c", "b");
  assert.deepEqual(repeat(999), []);
  assert.deepEqual(repeat(1000), [1, 3]);
  assert.deepEqual(repeat(1100), [2, 5]);
  assert.deepEqual(repeat(1300), [4]);
  assert.deepEqual(repeat(2999), [], "the second pause is twice as long");
  assert.deepEqual(repeat(3000), [1, 3]);
});

test("repeat() pauses twice as long each time, up to a minute", () => {
  const { repeat } = open("a");
  const times: number[] = [];
  for (let now = 0; now <= 250_000; now += 1000) if (repeat(now).length > 0) times.push(now / 1000);
  assert.deepEqual(times, [1, 3, 7, 15, 31, 63, 123, 183, 243]);
});

test("repeat() stops where there is no room, and goes on there", () => {
  const { repeat } = open("a", "b", "c");
  assert.deepEqual(repeat(1200, 2), [1, 2]);
  assert.deepEqual(repeat(1201), [3]);
});

test("acknowledge() goes by offset where one is given, else by msgid, oldest first", () => {
  const unacknowledged = new Unacknowledged(1000);
  for (const [n, offset] of [[1, 10], [1, 11], [1, 12], [2, 13]] as const) unacknowledged.add(message(n, "a"), offset, 0);
  const left = (): number[] => {
    const offsets: number[] = [];
    unacknowledged.repeat(1e9, (_message, offset) => offsets.push(offset) > 0);
    return offsets;
  };
  assert.equal(unacknowledged.acknowledge("m1", 11), true);
  assert.equal(unacknowledged.acknowledge("m1", 11), false);
  assert.equal(unacknowledged.acknowledge("m2", 12), false, "another msgid is there");
  assert.equal(unacknowledged.acknowledge("m9", undefined), false);
  assert.equal(unacknowledged.acknowledge("m1", undefined), true);
  assert.deepEqual([left(), unacknowledged.size], [[12, 13], 2]);
});
