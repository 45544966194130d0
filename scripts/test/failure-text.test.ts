import assert from "node:assert/strict";
import { test } from "node:test";
import { BusbarError } from "@busbar/core";
import { describeError, indent, printFailure } from "./failure-text.ts";

/** The text without the lines of stacks, which name places in this file. */
const withoutStack = (text: string): string => text.split("\n").filter((line) => !/^\s+at /.test(line)).join("\n");

test("describeError() has every cause, however deep, and what is no error", () => {
  const chain = new Error("outer", { cause: new TypeError("middle", { cause: new RangeError("inner", { cause: new SyntaxError("deep", { cause: { reason: 7 } }) }) }) });
  assert.equal(withoutStack(describeError(chain)), "Error: outer\nCaused by: TypeError: middle\nCaused by: RangeError: inner\nCaused by: SyntaxError: deep\nCaused by: { reason: 7 }");
  assert.equal(describeError("text"), "'text'");
});

test("describeError() has the fields of errors but not those of assertions, the parts of an aggregate with their causes, and ends where an error is its own cause", () => {
  const refused = Object.assign(new Error("refused"), { code: "ECONNREFUSED" });
  assert.match(describeError(refused), /^Error: refused\n[\s\S]* \{ code: 'ECONNREFUSED' \}$/);
  assert.match(describeError(new BusbarError("TIMEOUT", "late")), /code: 'TIMEOUT'/);
  const assertion = new assert.AssertionError({ message: "differs", actual: 1, expected: 2 });
  assertion.cause = new Error("why");
  assert.doesNotMatch(describeError(assertion), /actual|operator/);
  assert.match(describeError(assertion), /\nCaused by: Error: why/);
  assert.equal(withoutStack(describeError(new AggregateError([new Error("one"), new Error("two", { cause: new Error("under") })], "several"))), "AggregateError: several\n    Error: one\n    Error: two\n    Caused by: Error: under");
  const circle = new Error("circle");
  circle.cause = circle;
  assert.equal(describeError(circle).match(/Error: circle/g)!.length, 16);
});

test("printFailure() begins with the error and all of its causes, and cuts out the middle of what is long", () => {
  assert.equal(printFailure("Error: Property failed\nat x\nCaused by: AssertionError: too large\nat y\n"), "Error: Property failed ← AssertionError: too large\nError: Property failed\nat x\nCaused by: AssertionError: too large\nat y");
  assert.equal(printFailure("Error: alone\nat x"), "Error: alone\nat x");
  const long = printFailure(Array.from({ length: 500 }, (_, at) => `line ${at}`).join("\n")).split("\n");
  assert.deepEqual([long.length, long[0], long[60], long.at(-1)], [121, "line 0", "… 380 lines …", "line 499"]);
  assert.equal(indent("a\nb", "  "), "  a\n  b");
});
