import assert from "node:assert/strict";
import { test } from "node:test";
import { mayFeed, parseTemplate } from "./topic-template.ts";

test("parseTemplate() fills in type and id", () => {
  const filled: readonly (readonly [string, string, string])[] = [
    ["event/alarm/{id}", "event", "alarm/plc/1"],
    ["{type}/{id}", "status", "plc/1"],
    ["event/all", "event", "all"],
    ["event/x-{id}.{type}", "event", "x-plc/1.status"],
    ["event/{type}/{id}/{id}", "event", "status/plc/1/plc/1"],
  ];
  for (const [template, type, id] of filled) assert.deepEqual(parseTemplate(template).fill("status", "plc/1"), { type, id }, template);
});

test("parseTemplate() says what is wrong with a template", () => {
  for (const wrong of ["event", "event/", "/x", "Event/x", "{id}/x", "event/{x}", "event/{id", "event/id}", "event//x", "event/../x", "event/+", "event/#", "event/a b", `event/${"x".repeat(300)}`]) {
    assert.throws(() => parseTemplate(wrong), SyntaxError, wrong);
  }
});

test("mayFeed() tells whether what a route makes may match a filter", () => {
  const cases: readonly (readonly [from: string, to: string, onto: string, fed: boolean])[] = [
    ["status/#", "status/echo/{id}", "status/#", true],
    ["status/+", "status/echo/{id}", "status/+", false],
    ["status/+/temperature", "status/{id}/fahrenheit", "status/+/temperature", false],
    ["status/+/#", "event/alarm/{id}", "status/+/#", false],
    ["#", "event/{id}", "#", true],
    ["#", "{type}/x", "command/+", true],
    ["+/x", "{type}/y", "event/x", false],
    ["status/a/b", "event/{id}/c", "event/a/b/c", true],
    ["status/a/b", "event/{id}/c", "event/a/c", false],
    ["status/#", "event/{id}/c", "event/a/b/c", true],
    ["status/#", "event/{id}/c", "event/a/b/d", false],
    ["status/a", "event/x-{id}", "event/+", true],
    ["status/a", "event/{type}-x", "event/status-x", true],
    ["status/a", "event/b", "event/b/#", true],
  ];
  for (const [from, to, onto, fed] of cases) assert.equal(mayFeed(from, to, onto), fed, `${from} -> ${to} onto ${onto}`);
});
