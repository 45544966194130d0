import assert from "node:assert/strict";
import { test } from "node:test";
import { formatProblem } from "./problem.ts";
import { Reporter } from "./reporter.ts";
import { toValue } from "./source-tree.ts";
import { readYaml } from "./yaml-tree.ts";

function read(text: string): { readonly value: unknown; readonly lines: readonly string[] } {
  const report = new Reporter("x.yaml");
  const node = readYaml(text, report);
  return { value: node && toValue(node), lines: report.problems().map(formatProblem) };
}

test("readYaml() reads values, aliases and an empty file", () => {
  assert.deepEqual(read("a: &x { b: [1, true, null, 0x10] }\nc: *x\n1: text\n"), { value: { a: { b: [1, true, null, 16] }, c: { b: [1, true, null, 16] }, 1: "text" }, lines: [] });
  assert.deepEqual(read("# nothing\n"), { value: {}, lines: [] });
  assert.deepEqual(read('\ufeff{"a":1}'), { value: { a: 1 }, lines: [] });
});

test("readYaml() says where the text is no YAML", () => {
  const wrong: readonly (readonly [string, readonly string[]])[] = [
    ["a: [1, 2\nb: 3\n", ["x.yaml:2:1: Flow sequence in block collection must be sufficiently indented and end with a ]"]],
    ["a:\n\t- b\n", ["x.yaml:2:1: Tabs are not allowed as indentation; indent with spaces"]],
    ["a: { b: ${env:X} }\n", ['x.yaml:1:10: ${ cannot stand without quotes between { } or [ ]; write "${…}"']],
    ["a: *nope\n", ["x.yaml:1:4 a: *nope names no anchor that stands before it"]],
    ["a: 1\n---\nb: 2\n", ["x.yaml:2:1: Source contains multiple documents; please use YAML.parseAllDocuments()"]],
    ["a: !!js/function x\n", ["x.yaml:1:4: Unresolved tag: tag:yaml.org,2002:js/function"]],
    ["? { a: 1 }\n: 3\n", ["x.yaml:1:3: has a key that is not plain text"]],
    ["a: { b: 1, b: 2 }\n", ["x.yaml:1:12 a.b: the key is there twice: the first is at 1:6"]],
    ["constructor: { prototype: 1 }\n", ["x.yaml:1:1 constructor: this key is not allowed anywhere"]],
  ];
  for (const [text, lines] of wrong) assert.deepEqual(read(text).lines, lines, text);
});

test("readYaml() refuses text made to exhaust it", () => {
  const bomb = ["a: &a [x,x,x,x,x,x,x,x,x,x]", ..."bcdefgh".split("").map((name, at) => `${name}: &${name} [${`*${"abcdefg"[at]},`.repeat(10)}]`)].join("\n");
  assert.match(read(bomb).lines.join("\n"), /^x\.yaml:\d+:\d+ [^\n]*holds more than 200000 values once its aliases are resolved$/);
  assert.match(read("a: &a [*a]").lines.join("\n"), /^x\.yaml:1:\d+ a\S*: (?:is nested more than 64 levels deep|\*a names no anchor)/);
  assert.match(read(`a: ${"[".repeat(100)}${"]".repeat(100)}`).lines.join("\n"), /^x\.yaml:1:\d+ a\[0\]\[0\]\[0\]: is nested more than 64 levels deep$/);
  assert.deepEqual(read("x".repeat(4 * 1024 * 1024 + 1)).lines, ["x.yaml:1:1: is 4194305 characters long; at most 4194304 are read"]);
});
