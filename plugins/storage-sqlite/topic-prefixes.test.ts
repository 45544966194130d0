import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { matches } from "@busbar/core";
import { journalMessage } from "@busbar/core/testkit";
import { Pack } from "./entry-codec.ts";
import { TopicPrefixes } from "./topic-prefixes.ts";

test("mayMatch() is true for every entry whose topic matches a filter, and for those that carry another message", () => {
  const level = fc.constantFrom("a", "b", "aa", "all");
  const id = fc.array(level, { minLength: 1, maxLength: 3 }).map((levels) => levels.join("/"));
  const filter = fc.tuple(fc.constantFrom("status", "event", "+", "#"), fc.array(fc.oneof(level, fc.constant("+")), { maxLength: 3 }), fc.boolean()).map(([type, levels, below]) => (type === "#" ? "#" : [type, ...levels, ...(below ? ["#"] : [])].join("/")));
  let [passed, stopped] = [0, 0];
  fc.assert(
    fc.property(fc.array(filter, { minLength: 1, maxLength: 3 }), fc.constantFrom("status", "event", "dead-letter"), id, fc.option(id, { nil: "server" }), (filters, type, from, to) => {
      const message = journalMessage({ type, from, to, msgid: "m" });
      const pack = new Pack();
      pack.add(message);
      const may = new TopicPrefixes(filters).mayMatch(Buffer.from(pack.buffer), 0);
      if (may) passed++;
      else stopped++;
      if (type === "dead-letter" || filters.some((one) => matches(one, message.topic))) assert.ok(may);
    }),
    { numRuns: 2000 },
  );
  assert.ok(passed > 100 && stopped > 100, `${passed} ${stopped}`);
});
