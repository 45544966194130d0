import assert from "node:assert/strict";
import { test } from "node:test";
import { openStep, type StepUnderTest } from "@busbar/core/testkit";
import * as v from "valibot";
import { whereStep } from "./where-step.ts";

const payloads = (step: StepUnderTest, ...sent: readonly unknown[]): unknown[] => sent.flatMap((payload) => step.send({ payload }).map((message) => message.payload));

test("where lets readings pass for which a condition on them holds", () => {
  const step = openStep(whereStep, 'value > 80 && quality == "good"');
  assert.deepEqual(payloads(step, { values: [{ tag: "a", value: 90 }, { tag: "b", value: 70 }, { tag: "c", value: 95, quality: "bad" }] }, { x: 81, y: 2 }, { x: 1 }, "no readings"), [{ values: [{ tag: "a", value: 90 }] }, { x: 81 }]);
});

test("where lets whole messages pass for which a condition on them holds", () => {
  const step = openStep(whereStep, { if: 'kind == "status" && payload.count > 2' });
  assert.deepEqual(payloads(step, { count: 3, deep: { a: 1 } }, { count: 2 }), [{ count: 3, deep: { a: 1 } }]);
});

test("where remembers the last values of a topic by event time, over a restart as well", () => {
  let step = openStep(whereStep, "tags.running == true");
  assert.equal(step.readings(1000, { running: true }).length, 1);
  assert.equal(step.readings(900, { running: false }).length, 1, "it is late");
  assert.equal(step.readings(1100, { speed: 5 }).length, 1);
  step = step.restart();
  assert.equal(step.readings(1200, { speed: 6 }).length, 1);
  assert.equal(step.send({ topic: "status/other", payload: { speed: 6 } }).length, 0, "there nothing is known of it");
  assert.equal(step.readings(1300, { running: false }).length, 0);
});

test("where drops what it cannot judge, or lets it pass, and counts and says it", () => {
  for (const [onError, passing] of [["drop", 0], ["pass", 3]] as const) {
    const step = openStep(whereStep, { if: "value > 1", onError });
    for (let count = 0; count < 3; count++) step.readings(1000, { a: "text" });
    assert.equal(step.emitted.length, passing);
    assert.equal(step.counted("failed"), 3);
    assert.deepEqual(step.log.map(({ message, fields }) => [message, fields["expression"], fields["fault"]]), [["expression cannot be evaluated", "value > 1", "no such overload: dyn<string> > int"]], "once a second");
  }
});

test("where takes no condition that is none", () => {
  for (const config of ["value >", "1 + 2", { if: "value" , other: 1 }, {}, "unknown > 1"]) assert.equal(v.safeParse(whereStep.config, config).success, false, JSON.stringify(config));
});
