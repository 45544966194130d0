import assert from "node:assert/strict";
import { test } from "node:test";
import { nameVariable, pathTest } from "./folder-names.ts";

test("nameVariable() fills the levels below a folder into device and tag", () => {
  const name = (levels: readonly string[], device: string, tag: string): string => Object.values(nameVariable(levels, { instance: "line-1", device, tag })).join(" | ");
  assert.equal(name(["press-1", "motor", "speed"], "{instance}", "{1..}"), "line-1 | press-1.motor.speed");
  assert.equal(name(["press-1", "motor", "speed"], "{1}", "{2..}"), "press-1 | motor.speed");
  assert.equal(name(["hall 1", "press-1", "speed"], "{instance}/{1}/{2}", "{name}"), "line-1/hall_1/press-1 | speed");
  assert.equal(name(["speed"], "{1}", "{2..}"), "line-1 | speed", "a variable right below the folder has no second level");
  assert.equal(name(["Straße", "a b"], "{1}", "{2}"), "Stra_e | a b");
  assert.equal(name(["..", "x"], "{1}", "{2}"), "_ | x");
});

test("pathTest() knows * within a level and ** for levels", () => {
  const cases: readonly (readonly [pattern: string, path: string, fits: boolean])[] = [
    ["press-*/speed", "press-1/speed", true],
    ["press-*/speed", "press-1/motor/speed", false],
    ["**/speed", "press-1/motor/speed", true],
    ["**/speed", "speed", true],
    ["press-1/**", "press-1/motor/speed", true],
    ["press-1/**", "press-10/speed", false],
    ["a.c", "abc", false],
    ["*", "a/b", false],
  ];
  for (const [pattern, path, fits] of cases) assert.equal(pathTest([pattern])(path), fits, `${pattern} ${path}`);
  assert.equal(pathTest(["x", "y*"])("yes"), true);
});
