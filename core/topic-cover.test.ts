import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { covers, isId, isPattern, matches, overlaps } from "./topic.ts";

/** What MQTT 5.0 §4.7 says, level by level from the end: shares no code with what it judges. `will` stands aside like `$` (§4.7.2). */
function oracle(pattern: readonly string[], topic: readonly string[]): boolean {
  if ((topic[0] === "will" || topic[0]!.startsWith("$")) && (pattern[0] === "+" || pattern[0] === "#")) return false;
  if (pattern.at(-1) === "#") {
    const head = pattern.slice(0, -1);
    return topic.length >= head.length && (head.length === 0 || oracle(head, topic.slice(0, head.length)));
  }
  return pattern.length === topic.length && pattern.every((level, at) => level === "+" || level === topic[at]);
}

function everyPath(letters: readonly string[], depth: number): string[][] {
  const all: string[][] = [];
  let longest: string[][] = [[]];
  for (let at = 0; at < depth; at++) {
    longest = longest.flatMap((path) => letters.map((letter) => [...path, letter]));
    all.push(...longest);
  }
  return all;
}

// Patterns do not name "c", which stands for every other name. One level more than the longest pattern has shows what "#" does beyond it.
const topics = everyPath(["a", "b", "c", "will", "$s", ""], 4).filter((levels) => levels.join("/") !== "");
const plain = everyPath(["a", "b", "will", "$s", "+"], 3);
const patterns = [["#"], ...plain, ...plain.map((levels) => [...levels, "#"])];

test("matches() agrees with MQTT 5.0 §4.7 on every small topic, with empty levels, `$` and what is the gateway's own", () => {
  for (const pattern of patterns) {
    const text = pattern.join("/");
    for (const topic of topics) if (matches(text, topic.join("/")) !== oracle(pattern, topic)) assert.fail(`${text} on ${topic.join("/")}`);
  }
});

test("covers() and overlaps() are exact for every small pair of filters", () => {
  const sets = patterns.map((pattern) => Uint8Array.from(topics, (topic) => Number(oracle(pattern, topic))));
  for (const [i, granted] of patterns.entries()) {
    for (const [j, asked] of patterns.entries()) {
      const [one, other] = [granted.join("/"), asked.join("/")];
      let subset = true;
      let common = false;
      for (let at = 0; at < topics.length; at++) {
        if (sets[j]![at]! > sets[i]![at]!) subset = false;
        if (sets[i]![at]! + sets[j]![at]! === 2) common = true;
      }
      if (covers(one, other) !== subset) assert.fail(`granted ${one}, asked ${other}`);
      if (overlaps(one, other) !== common) assert.fail(`${one} and ${other}`);
    }
  }
});

/** Topics that match the filter: each wildcard is filled with a name that the other filter names at that place, and with one that nobody names. */
function samples(asked: readonly string[], other: readonly string[]): string[][] {
  let found: string[][] = [[]];
  const extend = (names: readonly string[]): void => void (found = found.flatMap((path) => names.map((name) => [...path, name])));
  for (const [at, level] of asked.entries()) {
    const named = other[at] === undefined || /^[+#]$/.test(other[at]) ? [] : [other[at]];
    if (level !== "#") extend(level === "+" ? ["zz", ...named] : [level]);
    else found = found.flatMap((path) => [path, [...path, "zz"], [...path, ...other.slice(at).map((name) => (/^[+#]$/.test(name) ? "zz" : name))], [...path, ...Array<string>(other.length + 1).fill("zz")]]);
  }
  return found.filter((levels) => levels.length > 0 && oracle(asked, levels));
}

test("covers() says yes only where every topic is granted, and no only where one is not, for filters of any depth", () => {
  const seed = randomInt(2 ** 31);
  console.log(`seed ${seed}`);
  const level = fc.oneof({ arbitrary: fc.constant("+"), weight: 2 }, { arbitrary: fc.constantFrom("a", "b", "c", "will"), weight: 3 });
  const filter = fc.tuple(fc.array(level, { maxLength: 8 }), fc.boolean()).map(([levels, wild]) => (levels.length === 0 || wild ? [...levels, "#"] : levels));
  // Half of the pairs are made alike, or nearly all would have nothing to do with each other.
  const pair = fc.oneof(fc.tuple(filter, filter), fc.tuple(filter, fc.array(fc.nat(7), { maxLength: 3 })).map(([one, places]): [string[], string[]] => [one, one.map((name, at) => (places.includes(at) && name !== "#" ? "+" : name))]));
  fc.assert(
    fc.property(pair, fc.boolean(), (both, turned) => {
      const [granted, asked] = turned ? [both[1], both[0]] : both;
      const beyond = samples(asked, granted).find((topic) => !oracle(granted, topic));
      const answer = covers(granted.join("/"), asked.join("/"));
      assert.equal(answer, beyond === undefined, `granted ${granted.join("/")}, asked ${asked.join("/")}${beyond ? `: ${beyond.join("/")} is not granted` : ""}`);
      const common = samples(asked, granted).some((topic) => oracle(granted, topic));
      if (common) assert.ok(overlaps(granted.join("/"), asked.join("/")));
      assert.equal(overlaps(granted.join("/"), asked.join("/")), overlaps(asked.join("/"), granted.join("/")));
    }),
    { seed, numRuns: 10_000 },
  );
});

test("nothing with `$` or an empty level is a filter or an id", () => {
  for (const text of ["$SYS/#", "$share/g/status/#", "a/$x", "/a", "a/", "a//b", "", "a/#/b", "+a", "a/b#"]) assert.ok(!isPattern(text), text);
  for (const text of ["$SYS", "a/$x", "/a", "a/", "a//b", ""]) assert.ok(!isId(text), text);
});
