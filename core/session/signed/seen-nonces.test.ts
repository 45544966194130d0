import assert from "node:assert/strict";
import { test } from "node:test";
import { SeenNonces } from "./seen-nonces.ts";

const minute = 60_000;
const used = { msgid: undefined, offset: undefined };

test("SeenNonces finds a nonce whatever time it is said with, per sender", () => {
  const seen = new SeenNonces({ perSigner: 10, limit: 10 });
  seen.add({ from: "a/x", nonce: "1", signer: "a", time: 5 * minute }, used);
  assert.equal(seen.find({ from: "a/x", nonce: "1" }), used);
  assert.equal(seen.find({ from: "a/y", nonce: "1" }), undefined);
  assert.equal(seen.find({ from: "a/x", nonce: "2" }), undefined);
});

test("SeenNonces refuses beyond its limits instead of forgetting, and takes more once minutes have passed", () => {
  const seen = new SeenNonces({ perSigner: 2, limit: 3 });
  const add = (signer: string, nonce: string, time: number): void => seen.add({ from: signer, nonce, signer, time }, used);
  add("a", "1", 1 * minute);
  add("a", "2", 2 * minute);
  assert.throws(() => add("a", "3", 3 * minute), { code: "OVERLOAD", message: /"a"/ });
  add("b", "1", 3 * minute);
  assert.throws(() => add("c", "1", 3 * minute), { code: "OVERLOAD" });
  seen.forget(2 * minute - 1);
  assert.equal(seen.size, 3);
  seen.forget(2 * minute);
  assert.deepEqual([seen.size, seen.forgotten], [2, 2 * minute]);
  add("a", "3", 3 * minute);
  assert.notEqual(seen.find({ from: "a", nonce: "2" }), undefined);
});

test("SeenNonces.remove() makes room for the message that was not taken", () => {
  const seen = new SeenNonces({ perSigner: 1, limit: 1 });
  const one = { from: "a", nonce: "1", signer: "a", time: 1 };
  seen.add(one, used);
  seen.remove(one);
  seen.remove(one);
  assert.equal(seen.size, 0);
  seen.add(one, used);
});

test("SeenNonces.restore() takes what was let in before, beyond any limit, and knows the oldest note that is needed", () => {
  const seen = new SeenNonces({ perSigner: 1, limit: 1 });
  for (let at = 0; at < 5; at++) seen.restore({ from: "a", nonce: String(at), signer: "a", time: at * minute }, { seen: used, note: 100 + at });
  assert.deepEqual([seen.size, seen.oldestNote], [5, 100]);
  seen.forget(3 * minute);
  assert.deepEqual([seen.size, seen.oldestNote], [2, 103]);
  seen.restore({ from: "a", nonce: "old", signer: "a", time: 0 }, { seen: used, note: 99 });
  assert.equal(seen.find({ from: "a", nonce: "old" }), undefined);
  seen.forget(9 * minute);
  assert.deepEqual([seen.size, seen.oldestNote], [0, Number.POSITIVE_INFINITY]);
});
