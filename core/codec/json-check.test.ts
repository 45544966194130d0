import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { isJson } from "./json-check.ts";

const check = (text: string, depth = 64): boolean => {
  const bytes = new TextEncoder().encode("xx" + text + "yy");
  return isJson(bytes, 2, bytes.length - 2, depth);
};

const parses = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

test("isJson() accepts what JSON.parse accepts and nothing else", () => {
  const texts = ["", " ", "0", "-0", "01", "-", "1.", ".5", "1e5", "1e", "1E+3", "1e-", "+1", "true", "tru", "falsey", "null", '""', '"a', '"\\u00e9"', '"\\u00g9"', '"\\x"', '"\n"', "[]", "[1,]", "[,]", "[1 2]", "{}", '{"a":1}', '{"a":1,}', "{a:1}", '{"a"}', '{"a":}', '{"a":1 "b":2}', ' { "a" : [ 1 , { "b" : null } ] } ', "1 2", "[1]]", "nul", '"\\', "\u00a01", "1e400", '"é🙂"'];
  for (const text of texts) assert.equal(check(text), parses(text), JSON.stringify(text));
});

test("isJson() agrees with JSON.parse on generated and on damaged texts", () => {
  fc.assert(fc.property(fc.json(), (text) => check(text)));
  fc.assert(
    fc.property(fc.json(), fc.nat(), fc.constantFrom("", '"', "{", "]", ",", ":", "\\", "0", "e", " ", "\u0001", "é"), (text, place, piece) => {
      const at = place % (text.length + 1);
      const damaged = text.slice(0, at) + piece + text.slice(at + 1);
      return !damaged.isWellFormed() || check(damaged) === parses(damaged);
    }),
    { numRuns: 2000 },
  );
});

test("isJson() refuses nesting beyond the limit without recursing into it", () => {
  assert.equal(check("[".repeat(64) + "]".repeat(64)), true);
  assert.equal(check("[".repeat(65) + "]".repeat(65)), false);
  assert.equal(check("[".repeat(100_000)), false);
  assert.equal(check('{"a":'.repeat(10_000)), false);
});

test("isJson() refuses invalid UTF-8", () => {
  for (const bytes of [[0x22, 0xff, 0x22], [0x22, 0xc0, 0x80, 0x22], [0x22, 0xed, 0xa0, 0x80, 0x22], [0x22, 0xe2, 0x82, 0x22]]) {
    assert.equal(isJson(Uint8Array.from(bytes), 0, bytes.length, 8), false);
  }
});
