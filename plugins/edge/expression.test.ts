import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { compileExpression, expression, type Expression } from "./expression.ts";
import { ReadingScope } from "./reading-scope.ts";

function scope(): ReadingScope {
  const made = new ReadingScope();
  made.message = { type: "status", from: "plc-1", to: "server", topic: "status/plc-1", timestamp: 0, payload: { n: 3, list: [1, 2, 3], deep: { text: "x" } } };
  made.sample = { tag: "temperature", value: 42.5, unit: "°C", quality: "good", code: "GoodClamped", time: 3_600_000 };
  made.tags = { a: 1, b: true, "motor.speed": 7 };
  return made;
}

const compiled = (text: string, result: "bool" | "value" = "value"): Expression => {
  const made = compileExpression(text, result);
  if ("fault" in made) throw new Error(made.fault);
  return made;
};
const faultOf = (text: string, result: "bool" | "value" = "value"): string => {
  const made = compileExpression(text, result);
  return "fault" in made ? made.fault : "";
};

test("compileExpression() evaluates over readings, where whole numbers and others mix", () => {
  const cases: readonly (readonly [text: string, result: unknown])[] = [
    ["value * 2 + 1", 86], ["value * 1.8 + 32", 108.5], ["2 * value", 85], ["1 - value", -41.5], ["10 / 4.0", 2.5], ["value % 2", 0.5], ["-value", -42.5],
    ["value > 40", true], ["value > 40 && quality == 'good' && unit == '°C'", true], ["tag + ' ' + code", "temperature GoodClamped"],
    ["tags.a + tags['motor.speed']", 8], ["tags.b ? 'on' : 'off'", "on"], ["has(tags.c) ? 1 : 0", 0], ["'a' in tags", true],
    ["payload.n == 3", true], ["payload.deep.text", "x"], ["payload.list.exists(i, i > 2)", true], ["size(payload.list.filter(i, i > 1))", 2],
    ["topic.startsWith('status/') && from == 'plc-1' && kind == 'status' && to == 'server'", true], ["time > timestamp", true], ["time.getHours()", 1], ["time", "1970-01-01T01:00:00.000Z"],
    ["abs(-3)", 3], ["abs(-value)", 42.5], ["round(value)", 43], ["round(12.3456, 2)", 12.35], ["floor(value)", 42], ["ceil(value)", 43], ["sqrt(16)", 4], ["pow(2, 10)", 1024], ["min(value, 3)", 3], ["max(value, 3)", 42.5],
    ["hypot(3, 4)", 5], ["clamp(value, 0, 40)", 40], ["log10(1000)", 3], ["like(tag, 'temp*')", true], ["like(tag, 'x*')", false], ["int(value)", 42], ["string(value)", "42.5"], ["7 / 2", 3],
  ];
  for (const [text, result] of cases) assert.equal(compiled(text).evaluate(scope()), result, text);
});

test("compileExpression() says what is wrong, and where", () => {
  const cases: readonly (readonly [text: string, result: "bool" | "value", fault: RegExp])[] = [
    ["value +", "value", /^unexpected token: EOF, at character 8$/],
    ["valu > 3", "bool", /^unknown variable: valu, at character 1; known: value, tag, /],
    ["value > 1 && topic > 3", "bool", /^no such overload: string > int, at character 14$/],
    ["sqrt('x')", "value", /^found no matching overload for 'sqrt\(string\)', at character 1$/],
    ["1 + 2", "bool", /^it gives a whole number, where true or false is asked for$/],
    ["[value]", "value", /^it gives a list, where a number/],
    ["topic.matches('(a+)+$')", "bool", /^regular expressions may take forever; use like\(text, "pump-\*"\), at character 1$/],
    ["cel.bind(x, 'ab', x + x)", "value", /^cel.bind is not allowed, at character 1$/],
    ["payload.list.exists(i, payload.list.exists(j, i == j))", "bool", /^"exists" stands within another loop over a list, at character 24$/],
    ["process.exit()", "value", /^unknown variable: process/],
    [`${"(".repeat(60)}1${")".repeat(60)}`, "value", /depth/i],
    [Array.from({ length: 400 }, () => "value").join(" + "), "value", /./],
  ];
  for (const [text, result, fault] of cases) assert.match(faultOf(text, result), fault, text);
});

test("compileExpression() reaches nothing but data", () => {
  for (const text of ["payload.constructor", "payload.__proto__", "tags.toString", "payload['constructor']", "payload.list.length", "payload.deep.hasOwnProperty"]) assert.throws(() => compiled(text).evaluate(scope()), text);
});

test("compileExpression() tells what an expression uses", () => {
  const cases: readonly (readonly [text: string, ofReading: boolean, tags: readonly string[] | undefined, optional: readonly string[]])[] = [
    ["value > 1", true, [], []], ["time > timestamp", true, [], []], ["payload.value > 1", false, [], []], ["tags.a * tags['b c']", false, ["a", "b c"], []],
    ["has(tags.a) ? tags.a : tags.b", false, ["a", "b"], ["a"]], ["'a' in tags && tags.a > 1", false, ["a"], ["a"]], ["tags[tag] > 1", true, undefined, []], ["size(tags) > 1", false, undefined, []],
  ];
  for (const [text, ofReading, tags, optional] of cases) {
    const made = compiled(text);
    assert.deepEqual([made.ofReading, made.tags && [...made.tags].sort(), [...made.optionalTags]], [ofReading, tags, optional], text);
  }
});

test("expression() is a schema that gives the compiled form, or one issue", () => {
  assert.equal(v.parse(expression("bool"), "value > 1").text, "value > 1");
  const { issues } = v.safeParse(expression("bool"), "value >");
  assert.deepEqual(issues?.map(({ message }) => message), ["is no expression: unexpected token: EOF, at character 8"]);
  assert.equal(v.safeParse(expression("bool"), "true ".padEnd(2001)).success, false);
  assert.equal(v.safeParse(expression("bool"), 5).success, false);
});
