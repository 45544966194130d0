import assert from "node:assert/strict";
import { test } from "node:test";
import { openStep } from "@busbar/core/testkit";
import * as v from "valibot";
import { mapStep } from "./map-step.ts";

test("map gives each reading that it is about another value and unit", () => {
  const step = openStep(mapStep, { each: "value * 1.8 + 32", unit: "°F", tags: ["temp*"] });
  assert.deepEqual(step.readings(1000, [{ tag: "temp1", value: 100, unit: "°C" }, { tag: "speed", value: 5 }])[0]?.payload, { values: [{ tag: "temp1", value: 212, unit: "°F", quality: "good" }, { tag: "speed", value: 5 }] });
  assert.deepEqual(openStep(mapStep, { each: "value * 2" }).send({ payload: { a: 1, b: 2.5 } })[0]?.payload, { a: 2, b: 5 });
});

test("map computes tags from those of this message and of earlier ones, with the worst quality and the newest time", () => {
  const step = openStep(mapStep, { set: { power: { value: "tags.u * tags.i", unit: "W" } } });
  assert.deepEqual(step.readings(1000, { u: 230 }).map(({ payload }) => payload), [{ values: [{ tag: "u", value: 230 }] }], "i is not known yet");
  assert.deepEqual(step.readings(1100, [{ tag: "i", value: 2, quality: "uncertain" }])[0]?.payload, { values: [{ tag: "i", value: 2, quality: "uncertain" }, { tag: "power", value: 460, unit: "W", quality: "uncertain" }] });
  assert.deepEqual(step.readings(1200, { other: 1 })[0]?.payload, { values: [{ tag: "other", value: 1 }] }, "nothing that it rests on came");
  assert.deepEqual(step.restart().readings(1300, [{ tag: "i", value: 3 }])[0]?.payload, { values: [{ tag: "i", value: 3 }, { tag: "power", value: 690, unit: "W", quality: "good" }] });
});

test("map lets no late reading into what it computes", () => {
  const step = openStep(mapStep, { set: { double: "tags.a * 2" } });
  step.readings(1000, { a: 5 });
  assert.deepEqual(step.readings(900, { a: 1 })[0]?.payload, { values: [{ tag: "a", value: 1 }, { tag: "double", value: 10, quality: "good", timestamp: 1000 }] });
});

test("map does without tags that it asks for", () => {
  const step = openStep(mapStep, { set: { total: "tags.a + (has(tags.b) ? tags.b : 0)" } });
  assert.deepEqual(step.readings(1000, { a: 5 })[0]?.payload, { values: [{ tag: "a", value: 5 }, { tag: "total", value: 5, quality: "good" }] });
});

test("map makes readings of other payloads", () => {
  const step = openStep(mapStep, { set: { temperature: { value: "payload.raw.t / 10", unit: "°C" }, online: "payload.state == 'on'" } });
  assert.deepEqual(step.send({ payload: { raw: { t: 235 }, state: "on" } })[0]?.payload, { values: [{ tag: "state", value: "on", quality: "good" }, { tag: "temperature", value: 23.5, unit: "°C", quality: "good" }, { tag: "online", value: true, quality: "good" }] });
});

test("map drops readings that it cannot change, or leaves them as they are", () => {
  assert.equal(openStep(mapStep, { each: "value * 2" }).readings(1000, { a: "text" }).length, 0);
  const step = openStep(mapStep, { each: "value * 2", onError: "pass" });
  assert.deepEqual(step.readings(1000, { a: "text", b: 1 })[0]?.payload, { values: [{ tag: "a", value: "text" }, { tag: "b", value: 2, quality: "good" }] });
  assert.equal(step.counted("failed"), 1);
});

test("map takes no config that does nothing, nor a set that is of a single reading", () => {
  for (const config of [{}, { set: { a: "value * 2" } }, { set: { a: "payload >" } }, { each: "[value]" }]) assert.equal(v.safeParse(mapStep.config, config).success, false, JSON.stringify(config));
});
