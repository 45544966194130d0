import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isPattern, matches } from "@busbar/core";
import { topicExpression, typesOf } from "./topic-expression.ts";

const level = fc.constantFrom("a", "b", "ab", "a.b", "a-b:c@d", "_", "will", "will-2", "route-state");
const topic = fc.array(level, { minLength: 1, maxLength: 5 }).map((levels) => levels.join("/"));
const pattern = fc.array(fc.oneof(level, fc.constantFrom("+", "#")), { minLength: 1, maxLength: 5 }).map((levels) => levels.join("/")).filter(isPattern);

test("topicExpression() matches what matches() does", () => {
  fc.assert(
    fc.property(pattern, topic, (filter, text) => assert.equal(topicExpression(filter).test(text), matches(filter, text), `${filter} on ${text}`)),
    { numRuns: 5000 },
  );
  fc.assert(fc.property(topic, (text) => assert.ok(topicExpression(text).test(text) && topicExpression(text + "/#").test(text) && topicExpression("#").test(text) === !/^(?:will|route-state)(\/|$)/.test(text))));
});

test("typesOf() names the type of every topic that matches, or none", () => {
  fc.assert(
    fc.property(fc.array(pattern, { maxLength: 4 }), topic, (filters, text) => {
      const types = typesOf(filters);
      if (types !== undefined && filters.some((filter) => matches(filter, text))) assert.ok(types.includes(text.split("/")[0]!), `${filters} on ${text}`);
    }),
    { numRuns: 5000 },
  );
  assert.deepEqual([typesOf("a/#"), typesOf(["a/+", "b", "a/b"]), typesOf(["a/#", "+/b"]), typesOf("#"), typesOf([])], [["a"], ["a", "b"], undefined, undefined, []]);
});
