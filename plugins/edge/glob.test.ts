import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { matchesGlob, starsOf, tagChoice, tagTest } from "./glob.ts";

test("matchesGlob() takes * for anything and all else for itself", () => {
  const cases: readonly (readonly [glob: string, text: string, fits: boolean])[] = [
    ["a", "a", true], ["a", "b", false], ["*", "", true], ["*", "abc", true], ["a*", "abc", true], ["*c", "abc", true], ["a*c", "abc", true], ["a*c", "ac", true],
    ["a*b*c", "aXbYc", true], ["a*b*c", "acb", false], ["motor.*", "motor.speed", true], ["motor.*", "motorXspeed", false], ["", "", true], ["", "a", false], ["**", "x", true], ["[a]", "a", false],
  ];
  for (const [glob, text, fits] of cases) assert.equal(matchesGlob(glob, text), fits, `${glob} ${text}`);
});

test("matchesGlob() agrees with the regular expression, and starsOf() with what was filled in", () => {
  const parts = fc.array(fc.stringMatching(/^[ab.]{0,3}$/), { minLength: 1, maxLength: 4 });
  fc.assert(fc.property(parts, fc.stringMatching(/^[ab.]{0,8}$/), (pieces, text) => {
    const glob = pieces.join("*");
    const fits = new RegExp(`^${pieces.map((piece) => piece.replaceAll(".", "\\.")).join(".*")}$`).test(text);
    assert.equal(matchesGlob(glob, text), fits);
    if (!fits) return;
    const stars = starsOf(glob, text);
    assert.equal(stars.length, pieces.length - 1);
    assert.equal(pieces.map((piece, at) => piece + (stars[at] ?? "")).join(""), text);
  }), { numRuns: 2000 });
});

test("matchesGlob() does not take long for what a regular expression would choke on", () => {
  const before = performance.now();
  assert.equal(matchesGlob("*a*a*a*a*a*a*a*a*b", "a".repeat(5_000)), false);
  assert.ok(performance.now() - before < 2_000);
});

test("tagTest() and tagChoice() take the first pattern that fits", () => {
  assert.equal(tagTest(undefined), undefined);
  const test = tagTest(["a", "m.*"])!;
  assert.deepEqual(["a", "m.x", "b", "a"].map(test), [true, true, false, true]);
  const choose = tagChoice([["m.*", 1], ["*", 2]]);
  assert.deepEqual(["m.x", "x"].map(choose), [1, 2]);
});
