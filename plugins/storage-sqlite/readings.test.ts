import assert from "node:assert/strict";
import { test } from "node:test";
import { readReadings, type ReadingProblem } from "./readings.ts";

const good = (tag: string, value: number | boolean | string, unit?: string) => ({ tag, value, unit, quality: "good", code: undefined, timestamp: undefined });

const table: readonly [title: string, payload: unknown, readings: readonly unknown[], refused: readonly ReadingProblem[]][] = [
  ["the shape with values", { values: [{ tag: "temperature", value: 42.5, unit: "°C", quality: "good" }], quality: "good" }, [good("temperature", 42.5, "°C")], []],
  ["the flat shape", { temperature: 23.5, on: true, state: "run" }, [good("temperature", 23.5), good("on", true), good("state", "run")], []],
  ["the quality of the message for values without one", { values: [{ tag: "a", value: 1 }, { tag: "b", value: 2, quality: "good" }], quality: "bad" }, [{ ...good("a", 1), quality: "bad" }, good("b", 2)], []],
  ["an unknown quality as uncertain", { values: [{ tag: "a", value: 1, quality: "so-so" }] }, [{ ...good("a", 1), quality: "uncertain" }], []],
  ["no object", [1, 2], [], ["not-readings"]],
  ["null", null, [], ["not-readings"]],
  ["text", "23.5", [], ["not-readings"]],
  ["bytes", { $base64: "AQ==" }, [], ["not-readings"]],
  ["nothing in it", {}, [], []],
  ["values that are none", { values: [{ tag: "a", value: null }, { value: 1 }, { tag: "", value: 1 }, { tag: 5, value: 1 }, 7, null, { tag: "b", value: { c: 1 } }, { tag: "d", value: 4 }] }, [good("d", 4)], Array<ReadingProblem>(7).fill("unsupported-value")],
  ["nested fields of the flat shape", { a: 1, b: { c: 2 }, d: [3], e: null }, [good("a", 1)], ["unsupported-value", "unsupported-value", "unsupported-value"]],
  ["a tag named values", { values: 7, b: 1 }, [good("values", 7), good("b", 1)], []],
  ["a tag named __proto__", JSON.parse('{"__proto__":1}'), [good("__proto__", 1)], []],
  ["what is too long", { ["t".repeat(257)]: 1, text: "x".repeat(4097), ok: "x".repeat(4096) }, [good("ok", "x".repeat(4096))], ["too-long", "too-long"]],
  ["a reading's own time and code", { values: [{ tag: "a", value: 1, timestamp: 1_760_000_000_123, code: "GoodClamped" }, { tag: "b", value: 2, timestamp: 0 }] }, [{ ...good("a", 1), code: "GoodClamped", timestamp: 1_760_000_000_123 }, { ...good("b", 2), timestamp: 0 }], []],
  ["a timestamp that is no time in ms as absent", { values: ["2026-01-01T00:00:00Z", -1, 1.5, 8_640_000_000_000_001, null, {}].map((timestamp) => ({ tag: "a", value: 1, timestamp, code: 7 })) }, Array(6).fill(good("a", 1)), []],
  ["null as no value, where that is not good", { values: [{ tag: "a", value: null, quality: "bad", code: "BadNoCommunication" }, { tag: "b", value: null }], quality: "uncertain" }, [{ ...good("a", 0), value: null, quality: "bad", code: "BadNoCommunication" }, { ...good("b", 0), value: null, quality: "uncertain" }], []],
  ["a code cut to its limit", { values: [{ tag: "a", value: 1, code: "c".repeat(130) }] }, [{ ...good("a", 1), code: "c".repeat(128) }], []],
  ["a unit cut to its limit", { values: [{ tag: "a", value: 1, unit: "u".repeat(70) }] }, [good("a", 1, "u".repeat(64))], []],
];

for (const [title, payload, readings, refused] of table) {
  test(`readReadings() understands ${title}`, () => {
    const problems: ReadingProblem[] = [];
    assert.deepEqual(readReadings(payload, (problem) => problems.push(problem)), readings);
    assert.deepEqual(problems, refused);
  });
}

test("readReadings() takes 10,000 values and says once that there were more", () => {
  const problems: ReadingProblem[] = [];
  assert.equal(readReadings({ values: Array.from({ length: 10_050 }, (_, at) => ({ tag: "t" + at, value: at })) }, (problem) => problems.push(problem)).length, 10_000);
  assert.deepEqual(problems, ["too-many-values"]);
});
