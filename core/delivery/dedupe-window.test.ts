import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DedupeWindow, dedupeKey } from "./dedupe-window.ts";

describe("DedupeWindow", () => {
  it("find() knows the last messages up to the limit, oldest forgotten first", () => {
    const window = new DedupeWindow(3);
    for (const [at, key] of ["a", "b", "c", "d"].entries()) window.add(key, at + 1);
    assert.deepEqual(["a", "b", "c", "d"].map((key) => window.find(key)), [undefined, 2, 3, 4]);
    assert.equal(window.size, 3);
  });

  it("add() of a known key makes it the newest and pushes nothing out", () => {
    const window = new DedupeWindow(2);
    window.add("a", 1);
    window.add("b", 2);
    window.add("a", 3);
    assert.deepEqual(["a", "b"].map((key) => window.find(key)), [3, 2]);
    window.add("c", 4);
    assert.deepEqual(["a", "b", "c"].map((key) => window.find(key)), [3, undefined, 4]);
  });

  it("remembers nothing with a limit of 0", () => {
    const window = new DedupeWindow(0);
    window.add("a", 1);
    assert.equal(window.find("a"), undefined);
    assert.equal(window.size, 0);
  });
});

describe("dedupeKey()", () => {
  it("tells every pair apart", () => assert.notEqual(dedupeKey({ from: "a", msgid: "b\0c" }), dedupeKey({ from: "a/b", msgid: "c" })));
});
