import assert from "node:assert/strict";
import { test } from "node:test";
import { openStep } from "@busbar/core/testkit";
import { inOrderStep } from "./in-order-step.ts";

test("in-order lets late readings go on unretained, or nowhere, over a restart as well", () => {
  for (const [late, expected] of [["pass", [[2000, true], [1000, false], [2000, true], [1500, false]]], ["drop", [[2000, true], [2000, true]]]] as const) {
    let step = openStep(inOrderStep, { late });
    const said: unknown[] = [];
    for (const timestamp of [2000, 1000, 2000, 1500]) {
      said.push(...step.send({ timestamp, retain: true, payload: { t: timestamp } }).map((message) => [message.timestamp, message.retain]));
      step = step.restart();
    }
    assert.deepEqual(said, expected);
  }
});
