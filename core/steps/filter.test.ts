import assert from "node:assert/strict";
import { test } from "node:test";
import { payloadsOf, readings, takes } from "./run-step.ts";

test("filter passes a message whose field fulfils everything", () => {
  const cases: readonly (readonly [config: object, payload: unknown, passes: boolean])[] = [
    [{ field: "temperature", above: 90 }, readings, true],
    [{ field: "temperature", above: 95 }, readings, false],
    [{ field: "temperature", above: 90, below: 94 }, readings, false],
    [{ field: "temperature", quality: "uncertain" }, readings, true],
    [{ field: "motor.speed", quality: "bad", equals: 3 }, readings, true],
    [{ field: "motor.speed", quality: "good" }, readings, false],
    [{ quality: "good" }, { a: 1 }, true],
    [{ quality: "bad" }, { a: 1, quality: "bad" }, true],
    [{ field: "a.b", equals: true }, { a: { b: true } }, true],
    [{ field: "a.b", not: true }, { a: { b: true } }, false],
    [{ field: "a.c", not: true }, { a: { b: true } }, true],
    [{ field: "list.1", equals: "y" }, { list: ["x", "y"] }, true],
    [{ field: "a" }, { a: 0 }, true],
    [{ field: "b" }, { a: 0 }, false],
    [{ field: "b", exists: false }, { a: 0 }, true],
    [{ field: "a", exists: true, above: 0 }, { a: 0 }, false],
    [{ field: "a", above: 0 }, { a: "5" }, false],
    [{ field: "a", equals: null }, { a: null }, true],
    [{ above: 20 }, 23.5, true],
    [{ field: "toString" }, {}, false],
    [{ field: "length" }, "text", false],
    [{ field: "0" }, new Uint8Array(1), false],
  ];
  for (const [config, payload, passes] of cases) assert.deepEqual(payloadsOf("filter", config, payload), passes ? [payload] : [], JSON.stringify([config, payload]));
});

test("filter refuses fields that reach a prototype", () => {
  for (const field of ["__proto__.x", "a.constructor", "a..b", "", "."]) assert.equal(takes("filter", { field }), false, field);
});
