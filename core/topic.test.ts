import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { checkPattern, covers, isId, isPattern, isType, matches, speaksFor, topicOf } from "./topic.ts";

/** Every topic of 1 to 5 levels over three letters, of which patterns use only two: the third stands for all the names a pattern does not name. */
const topics: readonly string[] = (() => {
  const all: string[] = [];
  let level: string[] = ["a", "b", "c"];
  for (let depth = 1; depth <= 5; depth++) {
    all.push(...level);
    level = level.flatMap((topic) => [`${topic}/a`, `${topic}/b`, `${topic}/c`]);
  }
  return all;
})();

/** MQTT 5.0 §4.7 written down as a regular expression: the oracle, which shares no code with what it judges. */
function oracle(pattern: string): RegExp {
  const body = pattern.split("/").map((level) => (level === "+" ? "[^/]+" : level));
  if (body.at(-1) !== "#") return new RegExp(`^${body.join("/")}$`);
  body.pop();
  return body.length === 0 ? /^.+$/ : new RegExp(`^${body.join("/")}(?:/.*)?$`);
}

const matchedBy = (pattern: string): ReadonlySet<string> => {
  const expression = oracle(pattern);
  return new Set(topics.filter((topic) => expression.test(topic)));
};

/** Every filter of up to 3 levels over `a`, `b`, `+`, with and without `#` at the end. */
const patterns: readonly string[] = (() => {
  const all: string[] = ["#"];
  let level: string[] = ["a", "b", "+"];
  for (let depth = 1; depth <= 3; depth++) {
    all.push(...level, ...level.map((pattern) => `${pattern}/#`));
    level = level.flatMap((pattern) => [`${pattern}/a`, `${pattern}/b`, `${pattern}/+`]);
  }
  return all;
})();

test("matches() agrees with MQTT 5.0 §4.7 for every small pattern and topic", () => {
  for (const pattern of patterns) {
    const expected = matchedBy(pattern);
    for (const topic of topics) assert.equal(matches(pattern, topic), expected.has(topic), `${pattern} on ${topic}`);
  }
});

test("covers() is true exactly when everything asked for is granted, for every small pair of patterns", () => {
  const sets = new Map(patterns.map((pattern) => [pattern, matchedBy(pattern)]));
  for (const granted of patterns) {
    const have = sets.get(granted)!;
    for (const asked of patterns) {
      const expected = sets.get(asked)!.isSubsetOf(have);
      assert.equal(covers(granted, asked), expected, `granted ${granted}, asked ${asked}`);
    }
  }
});

test("covers() never grants more than was given when one right is read through another", () => {
  const pattern = fc.constantFrom(...patterns);
  fc.assert(
    fc.property(pattern, pattern, pattern, (wide, middle, narrow) => {
      if (covers(wide, middle) && covers(middle, narrow)) assert.ok(covers(wide, narrow));
      assert.ok(covers(wide, wide));
    }),
    { numRuns: 3000 },
  );
});

test("covers() refuses # for a holder of one home's rights", () => {
  assert.equal(covers("status/home-7/#", "#"), false);
  assert.equal(covers("status/home-7/#", "status/#"), false);
  assert.equal(covers("status/home-7/#", "status/+/lamp"), false);
  assert.equal(covers("status/home-7/#", "status/home-70/lamp"), false);
  assert.equal(covers("status/home-7/#", "status/home-7/+"), true);
  assert.equal(covers("status/home-7/#", "status/home-7"), true);
});

const word = fc.stringMatching(/^[A-Za-z0-9_:@-]{1,6}$/);
const id = fc.array(word, { minLength: 1, maxLength: 4 }).map((levels) => levels.join("/"));

test("speaksFor() holds for the id itself and for what lies below it, never beside it", () => {
  fc.assert(
    fc.property(id, id, word, (one, other, more) => {
      assert.ok(speaksFor(one, one));
      assert.ok(speaksFor(one, `${one}/${other}`));
      assert.equal(speaksFor(`${one}/${other}`, one), false);
      assert.equal(speaksFor(one, one + more), false); // home-7 and home-70
      assert.equal(speaksFor(one, other), covers(`${one}/#`, other));
    }),
  );
});

test("topicOf() names the receiver, and the sender where nobody is named", () => {
  assert.equal(topicOf("status", "plc-101", "server"), "status/plc-101");
  assert.equal(topicOf("command", "console", "lamp-1"), "command/lamp-1");
  assert.equal(topicOf("command", "console", "group/kitchen"), "command/group/kitchen");
});

test("isId() takes what WIRE §1 calls an id and nothing else", () => {
  for (const good of ["a", "plc-101", "home-7/lamp", "A.b_c:d@e", "...", "a/.b", "x".repeat(256)]) assert.ok(isId(good), good);
  for (const bad of ["", "/a", "a/", "a//b", "a b", "ä", "+", "#", "a/+", "a/#", ".", "..", "a/..", "../a", "a/./b", "x".repeat(257), "a\n", "a\u0000", "{id}"]) assert.ok(!isId(bad), bad);
});

test("isType() takes a lower-case token of 1 to 32 characters", () => {
  for (const good of ["status", "a", "my-type2", "a".repeat(32)]) assert.ok(isType(good), good);
  for (const bad of ["", "Status", "2a", "-a", "a_b", "a/b", "a".repeat(33), "a\n"]) assert.ok(!isType(bad), bad);
});

test("isPattern() takes filters of MQTT 5.0 §4.7 within its limits", () => {
  for (const good of [...patterns, "status/+/temperature", "event/#", Array(32).fill("a").join("/"), "x".repeat(512)]) assert.ok(isPattern(good), good);
  for (const bad of ["", "/", "a/", "/a", "a//b", "#/a", "a/#/b", "a+", "a/b#", "a b", Array(33).fill("a").join("/"), "x".repeat(513), "a\n"]) assert.ok(!isPattern(bad), bad);
});

test("isPattern() takes every id of at most 32 levels, so that an id can be asked for", () => {
  fc.assert(fc.property(id, (text) => isId(text) && isPattern(text)));
});

test("checkPattern() throws BAD_FRAME that names the pattern", () => {
  assert.throws(() => checkPattern("a/#/b"), { code: "BAD_FRAME", message: /a\/#\/b/ });
  checkPattern("a/#");
});
