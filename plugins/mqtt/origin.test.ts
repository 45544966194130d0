import assert from "node:assert/strict";
import { test } from "node:test";
import { incomingMsgid, originTag, wayOf, withoutWay } from "./origin.ts";

test("originTag() is the same for the same journal and instance, and another for another", () => {
  assert.equal(originTag("epoch", "a"), originTag("epoch", "a"));
  assert.match(originTag("epoch", "a"), /^[A-Za-z0-9_-]{5}$/);
  assert.equal(new Set([originTag("epoch", "a"), originTag("epoch", "b"), originTag("other", "a")]).size, 3);
});

test("incomingMsgid() keeps the id and the way, wayOf() and withoutWay() take them apart", () => {
  const way = ["aaaaa", "bb-b_"];
  assert.equal(incomingMsgid("42", [], "aaaaa"), "aaaaa~42");
  const twice = incomingMsgid("42", ["aaaaa"], "bb-b_");
  assert.deepEqual([twice, wayOf(twice), withoutWay(twice)], ["aaaaa.bb-b_~42", way, "42"]);
  for (const id of ["", "42", "a~b", "abc~d", "abcde", "abcd.~x", "abcdef~x", "aaaaa.b~x"]) assert.deepEqual([wayOf(id), withoutWay(id)], [[], id]);
});

test("incomingMsgid() never exceeds 64 bytes, and tells long ids apart", () => {
  const tags = ["aaaaa", "bbbbb", "ccccc", "ddddd", "eeeee", "fffff", "ggggg"];
  for (const id of ["ä".repeat(32), "x".repeat(64), "~".repeat(64)]) {
    const msgid = incomingMsgid(id, tags, "own_1");
    assert.ok(Buffer.byteLength(msgid) <= 64, msgid);
    assert.deepEqual(wayOf(msgid), [...tags.slice(2), "own_1"]);
    assert.notEqual(msgid, incomingMsgid(id + "y", tags, "own_1"));
    assert.equal(msgid, incomingMsgid(id, tags, "own_1"));
  }
  assert.deepEqual(wayOf(incomingMsgid("1", ["no tag", "a~b~c", ""], "own_1")), ["own_1"], "what is no tag is no way");
});
