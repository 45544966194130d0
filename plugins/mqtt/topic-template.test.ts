import assert from "node:assert/strict";
import { test } from "node:test";
import { isId } from "@busbar/core";
import { asIdLevels, fillTemplate, isTopicFilter, templateProblem, wildcards } from "./topic-template.ts";

test("wildcards() has what the wildcards stand for, by MQTT 5.0 §4.7", () => {
  const cases: readonly [string, string, readonly string[] | undefined][] = [
    ["a/+/c", "a/b/c", ["b"]],
    ["a/+/c", "a/b/d", undefined],
    ["a/+", "a/", [""]],
    ["+/+", "/x", ["", "x"]],
    ["a/#", "a/b/c", ["b/c"]],
    ["a/#", "a", [""]],
    ["#", "a/b", ["a/b"]],
    ["+/x/#", "a/x/b/c", ["a", "b/c"]],
    ["#", "$SYS/broker", undefined],
    ["+/broker", "$SYS/broker", undefined],
    ["$SYS/#", "$SYS/broker", ["broker"]],
    ["$share/group/a/+", "a/b", ["b"]],
    ["a", "A", undefined],
  ];
  for (const [filter, topic, wanted] of cases) assert.deepEqual(wildcards(filter, topic), wanted, `${filter} ${topic}`);
});

test("isTopicFilter() takes what a broker takes", () => {
  for (const good of ["a", "/", "a//b", "+", "#", "a/+/#", "ü x/+", "$share/g/a"]) assert.ok(isTopicFilter(good), good);
  for (const bad of ["", "a#", "#/a", "a/b+", "a\0b", "\ud800", "x".repeat(65_536)]) assert.ok(!isTopicFilter(bad), bad.slice(0, 10));
});

test("asIdLevels() makes an id of any topic", () => {
  for (const [topic, wanted] of [["a/b", "a/b"], ["Living room", "Living_room"], ["/a//", "_/a/_/_"], ["./..", "_/__"], ["😀", "_"], ["a+b%c", "a_b_c"]] as const) {
    assert.equal(asIdLevels(topic), wanted);
    assert.ok(isId(asIdLevels(topic)));
  }
});

test("fillTemplate() gives nothing where something is missing; templateProblem() says what is wrong", () => {
  const value = (name: string): string | undefined => ({ "1": "one", topic: "a/b" })[name];
  assert.equal(fillTemplate("x/{1}/{topic}/{1}", value), "x/one/a/b/one");
  assert.equal(fillTemplate("x/{2}", value), undefined);
  assert.equal(templateProblem("x/{1}/{12}", ["1"]), undefined);
  for (const text of ["{x}", "{1", "a}", "a/#", "+", "{}", "{100}"]) assert.ok(templateProblem(text, ["1", "topic"]), text);
});
