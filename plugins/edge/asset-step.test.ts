import assert from "node:assert/strict";
import { test } from "node:test";
import { openStep } from "@busbar/core/testkit";
import * as v from "valibot";
import { assetStep } from "./asset-step.ts";

const model = [
  { topic: "status/plc-7/+", tag: "press.*", at: "berlin/stamping/line-2/press-{topic.1}", as: "{tag.1}" },
  { topic: "status/plc-7/#", at: "berlin/stamping/line-2" },
  { topic: "status/plant", tag: "*.*.*", at: "berlin/{tag.1}/{tag.2}", as: "{tag.3}" },
];

test("asset makes the asset's path the address and puts its levels into the payload", () => {
  const step = openStep(assetStep, { model });
  const [message] = step.send({ from: "plc-7/4", payload: { values: [{ tag: "press.force", value: 7 }] } });
  assert.deepEqual([message?.from, message?.topic, message?.payload], ["berlin/stamping/line-2/press-4", "status/berlin/stamping/line-2/press-4", { values: [{ tag: "force", value: 7, quality: "good" }], asset: { site: "berlin", area: "stamping", line: "line-2", machine: "press-4" } }]);
});

test("asset parts a message whose readings belong to several assets", () => {
  const step = openStep(assetStep, { model });
  const parts = step.send({ from: "plant", payload: { "hall 1.mill.speed": 1, "hall2.mill.speed": 2, "hall 1.mill.load": 3, other: 4 } });
  assert.deepEqual(parts.map(({ from, payload }) => [from, payload]), [
    ["berlin/hall-1/mill", { speed: 1, load: 3, asset: { site: "berlin", area: "hall-1", line: "mill" } }],
    ["berlin/hall2/mill", { speed: 2, asset: { site: "berlin", area: "hall2", line: "mill" } }],
  ]);
  assert.equal(new Set(parts.map(({ msgid }) => msgid)).size, 2);
  assert.equal(step.counted("no-asset"), 1);
});

test("asset lets pass what it knows no place for where it is told so, and what is no readings", () => {
  const step = openStep(assetStep, { model, unknown: "pass" });
  assert.deepEqual(step.send({ from: "elsewhere", payload: { a: 1 } }).map(({ from }) => from), ["elsewhere"]);
  assert.equal(openStep(assetStep, { model }).send({ from: "elsewhere", payload: { a: 1 } }).length, 0);
  assert.deepEqual(step.send({ type: "command", to: "plc-7/4", payload: { "press.force": 1 } }).map(({ to, payload }) => [to, payload]), [["plc-7/4", { "press.force": 1 }]]);
});

test("asset leaves address or payload alone where it is told so", () => {
  const [message] = openStep(assetStep, { model, address: false, payload: false }).send({ from: "plc-7/4", payload: { "press.force": 1 } });
  assert.deepEqual([message?.from, message?.payload], ["plc-7/4", { force: 1 }]);
});

test("asset takes no rule that cannot be followed", () => {
  for (const rule of [{ at: "a/b/c/d/e" }, { at: "a/{topic.2}", topic: "status/+" }, { at: "a/{tag.1}", tag: "x" }, { at: "a//b" }, { at: "a b" }, { at: "a", as: "{tag.2}" }, { at: "a/{other.1}" }]) {
    assert.equal(v.safeParse(assetStep.config, { model: [rule] }).success, false, JSON.stringify(rule));
  }
  assert.equal(v.safeParse(assetStep.config, { model: [{ at: "a/{tag.1}" }] }).success, true);
});
