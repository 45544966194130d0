import assert from "node:assert/strict";
import { test } from "node:test";
import { openStep } from "@busbar/core/testkit";
import * as v from "valibot";
import { tagsStep } from "./tags-step.ts";

const named = (config: object, ...tags: readonly string[]): unknown => {
  const [message] = openStep(tagsStep, config).send({ payload: { values: tags.map((tag) => ({ tag, value: 1 })) } });
  return message === undefined ? undefined : (message.payload as { values: { tag: string }[] }).values.map(({ tag }) => tag);
};

test("tags keeps, drops and renames by names and patterns", () => {
  assert.deepEqual(named({ keep: ["a*"] }, "a1", "b"), ["a1"]);
  assert.deepEqual(named({ keep: ["a*"], drop: ["a1"] }, "a1", "a2"), ["a2"]);
  assert.equal(named({ drop: ["*"] }, "a"), undefined);
  assert.deepEqual(named({ rename: { a: "b", "m.*.*": "drive/*-*", "*": "x*" } }, "a", "m.1.speed", "c"), ["b", "drive/1-speed", "xc"]);
  assert.deepEqual(named({ rename: { a: "b", b: "a" } }, "a", "b"), ["b", "a"]);
  assert.deepEqual(named({ rename: { a: "b" }, prefix: "plc/", suffix: "!" }, "a", "c"), ["plc/b!", "plc/c!"]);
  assert.deepEqual(named({ rename: { "DB1.*": "*" } }, "DB1.T1"), ["T1"]);
});

test("tags renames a flat payload as well", () => {
  assert.deepEqual(openStep(tagsStep, { rename: { t: "temperature" } }).send({ payload: { t: 1, deep: {} } })[0]?.payload, { deep: {}, temperature: 1 });
});

test("tags takes no new name with more * than the pattern has", () => {
  assert.equal(v.safeParse(tagsStep.config, { rename: { "a.*": "*/*" } }).success, false);
  assert.equal(v.safeParse(tagsStep.config, { rename: { "a.*": "b" } }).success, true);
});
