import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { journalMessage } from "../testkit/journal-message.ts";
import { RetainedValues } from "./retained-values.ts";

const keep = (from: string, payload: unknown) => journalMessage({ from, payload, retain: true });

function values(retained: RetainedValues, pattern = "#"): unknown[] {
  const found: unknown[] = [];
  retained.forEach(pattern, ({ message, offset }) => found.push([message.topic, message.payload, offset]));
  return found;
}

describe("RetainedValues", () => {
  it("set() keeps the last of each topic, and null or no bytes forget it", () => {
    const retained = new RetainedValues(10);
    for (const message of [keep("a", 1), keep("a", 2), keep("b", 0), keep("c", ""), keep("d", 1), keep("d", null), keep("e", 1), keep("e", new Uint8Array(0)), keep("f", new Uint8Array(1))]) assert.equal(retained.set(message, 5), true);
    assert.deepEqual(values(retained), [["status/a", 2, 5], ["status/b", 0, 5], ["status/c", "", 5], ["status/f", new Uint8Array(1), 5]]);
    assert.equal(retained.size, 4);
  });

  it("forEach() finds by pattern", () => {
    const retained = new RetainedValues(10);
    for (const from of ["a", "a/b", "b"]) retained.set(keep(from, from), undefined);
    assert.deepEqual(values(retained, "status/a"), [["status/a", "a", undefined]]);
    assert.deepEqual(values(retained, "status/a/#").map((one) => (one as unknown[])[1]), ["a", "a/b"]);
    assert.deepEqual(values(retained, "status/+").map((one) => (one as unknown[])[1]), ["a", "b"]);
    assert.deepEqual(values(retained, "event/#"), []);
  });

  it("set() refuses another topic beyond the limit, but not another value, and has room again once one is forgotten", () => {
    const retained = new RetainedValues(2);
    assert.deepEqual([keep("a", 1), keep("b", 1), keep("c", 1), keep("a", 2), keep("c", null), keep("a", null), keep("c", 3)].map((message) => retained.set(message, 1)), [true, true, false, true, true, true, true]);
    assert.deepEqual(values(retained), [["status/b", 1, 1], ["status/c", 3, 1]]);
    assert.equal(new RetainedValues(0).set(keep("a", 1), 1), false);
  });

  it("set() of what is committed now does not undo what was published since", () => {
    const retained = new RetainedValues(10);
    const [first, second, gone] = [keep("a", 1), keep("a", 2), keep("a", null)];
    retained.set(first, undefined);
    retained.set(second, undefined);
    retained.set(first, 1);
    assert.deepEqual(values(retained), [["status/a", 2, undefined]]);
    retained.set(gone, undefined);
    retained.set(second, 2);
    assert.deepEqual(values(retained), []);
    assert.equal(retained.size, 0);
    retained.set(gone, 3);
    assert.deepEqual(values(retained), []);
    retained.set(keep("a", 4), 4);
    assert.deepEqual(values(retained), [["status/a", 4, 4]]);
  });

  it("lost() leaves the value as it was seen, until the next one is committed", () => {
    const retained = new RetainedValues(10);
    const first = keep("a", 1);
    retained.set(first, undefined);
    retained.lost(first);
    assert.deepEqual(values(retained), [["status/a", 1, undefined]]);
    retained.set(keep("a", 2), 8);
    assert.deepEqual(values(retained), [["status/a", 2, 8]]);
  });
});
