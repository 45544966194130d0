import assert from "node:assert/strict";
import { test } from "node:test";
import type { StepMessage } from "@busbar/core";
import fc from "fast-check";
import { addSamples, mapSamples, samplesOf, withSamples, type Sample } from "./samples.ts";

const messageOf = (payload: unknown): StepMessage => ({ type: "status", from: "plc-1", to: "server", timestamp: 1000, topic: "status/plc-1", payload });
const good = { unit: undefined, quality: "good", code: undefined, time: 1000 } as const;

test("samplesOf() reads both shapes, with the reading's own time, unit, quality and code", () => {
  const cases: readonly (readonly [payload: unknown, samples: readonly object[]])[] = [
    [{ values: [{ tag: "t", value: 1 }] }, [{ ...good, tag: "t", value: 1 }]],
    [{ values: [{ tag: "t", value: 1, unit: "°C", quality: "bad", code: "BadNoCommunication", timestamp: 900 }] }, [{ tag: "t", value: 1, unit: "°C", quality: "bad", code: "BadNoCommunication", time: 900 }]],
    [{ values: [{ tag: "t", value: null }, { tag: "u", value: 2, quality: "good" }], quality: "bad" }, [{ ...good, tag: "t", value: null, quality: "bad" }, { ...good, tag: "u", value: 2 }]],
    [{ values: [{ tag: "t", value: 1, quality: "odd", timestamp: "no" }, { value: 1 }, 7, null] }, [{ ...good, tag: "t", value: 1, quality: "uncertain" }]],
    [{ t: 1, on: true, text: "x", no: null, deep: { a: 1 } }, [{ tag: "t", value: 1 }, { tag: "on", value: true }, { tag: "text", value: "x" }].map((one) => ({ quality: "good", time: 1000, ...one }))],
    [{}, []], [null, []], [5, []], [[{ tag: "t", value: 1 }], []], [new Uint8Array(2), []],
  ];
  for (const [payload, samples] of cases) assert.deepEqual(samplesOf(messageOf(payload)), samples, JSON.stringify(payload));
});

test("mapSamples() gives the message itself where nothing changed, and undefined where no reading is left", () => {
  for (const payload of [{ values: [{ tag: "t", value: 1 }] }, { t: 1 }, { deep: {} }, null]) {
    const message = messageOf(payload);
    assert.equal(mapSamples(message, (sample) => sample), message);
  }
  assert.equal(mapSamples(messageOf({ t: 1, deep: {} }), () => undefined), undefined);
  assert.equal(mapSamples(messageOf({ values: [{ tag: "t", value: 1 }] }), () => undefined), undefined);
});

test("mapSamples() keeps whatever else a payload and a reading have", () => {
  const message = messageOf({ values: [{ tag: "a", value: 1, extra: 1, unit: "K" }, { tag: "b", value: 2, extra: 2 }, "odd"], batch: 7, quality: "uncertain" });
  const changed = mapSamples(message, (sample) => (sample.tag === "a" ? { ...sample, value: 5, unit: "°C", time: 900 } : undefined));
  assert.deepEqual(changed?.payload, { values: [{ tag: "a", value: 5, extra: 1, unit: "°C", quality: "uncertain", timestamp: 900 }, "odd"], batch: 7, quality: "uncertain" });
  assert.deepEqual(mapSamples(messageOf({ a: 1, b: 2, deep: { x: 1 } }), (sample) => (sample.tag === "a" ? { ...sample, tag: "c", value: 3 } : undefined))?.payload, { deep: { x: 1 }, c: 3 });
});

test("mapSamples() gives a flat payload the other shape where it could not say everything", () => {
  const changed = mapSamples(messageOf({ a: 1, b: 2 }), (sample) => (sample.tag === "a" ? { ...sample, unit: "K" } : sample));
  assert.deepEqual(changed?.payload, { values: [{ tag: "a", value: 1, unit: "K", quality: "good" }, { tag: "b", value: 2, quality: "good" }] });
});

test("mapSamples() makes no prototype of a tag", () => {
  const changed = mapSamples(messageOf(JSON.parse('{"__proto__":1,"a":2}')), (sample) => ({ ...sample, value: 5 }));
  assert.deepEqual(Object.entries(changed?.payload as object), [["__proto__", 5], ["a", 5]]);
});

test("addSamples() adds to any payload, and replaces a tag that is there", () => {
  const more: Sample[] = [{ tag: "p", value: 6, quality: "good", time: 1000 }];
  assert.deepEqual(addSamples(messageOf({ a: 1, p: 2, deep: {} }), more).payload, { a: 1, deep: {}, p: 6 });
  assert.deepEqual(addSamples(messageOf(23.5), more).payload, { p: 6 });
  assert.deepEqual(addSamples(messageOf({ values: [{ tag: "p", value: 1 }, { tag: "a", value: 2 }] }), more).payload, { values: [{ tag: "a", value: 2 }, { tag: "p", value: 6, quality: "good" }] });
  assert.deepEqual(addSamples(messageOf({ a: 1 }), [{ ...more[0]!, quality: "bad" }]).payload, { values: [{ tag: "a", value: 1, quality: "good" }, { tag: "p", value: 6, quality: "bad" }] });
});

const anySample = fc.record({ tag: fc.constantFrom("a", "b", "c.d", "e f"), value: fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), fc.string()), unit: fc.option(fc.constantFrom("K", "bar"), { nil: undefined }), quality: fc.constantFrom("good", "uncertain", "bad"), code: fc.option(fc.constant("Bad"), { nil: undefined }), time: fc.integer({ min: 0, max: 5000 }) }, { noNullPrototype: true });

test("withSamples() says what samplesOf() reads, whatever the times are", () => {
  fc.assert(fc.property(fc.array(anySample, { minLength: 1, maxLength: 20 }), (samples) => {
    const message = withSamples(messageOf(null), samples as Sample[]);
    assert.equal(message.timestamp, Math.max(...samples.map(({ time }) => time)));
    assert.deepEqual(samplesOf(message), samples);
  }), { numRuns: 200 });
});
