import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { cleanFields } from "./clean-fields.ts";

const clean = (fields: Record<string, unknown>) => cleanFields(fields).fields;

describe("cleanFields()", () => {
  it("keeps what JSON can say, two levels deep", () => {
    assert.deepEqual(clean({ id: "d-1", n: 1, yes: true, none: null, list: ["a", 2], big: 5n, object: { a: 1, deeper: { b: 2, deepest: { c: 3 } } } }), {
      id: "d-1", n: 1, yes: true, none: null, list: ["a", 2], big: "5", object: { a: 1, deeper: { b: 2 } },
    });
    assert.deepEqual(clean({ gone: undefined, nan: Number.NaN, call: () => 1, "no name": 1, __proto__x: 1 }), {});
  });

  it("renames what the log itself says", () => {
    assert.deepEqual(clean({ seq: 1, hash: "h", prev: "p", action: "a", time: 2, source: "s" }), { seq_: 1, hash_: "h", prev_: "p", action_: "a", time_: 2, source_: "s" });
  });

  it("bounds texts, lists and fields", () => {
    const { fields, size } = cleanFields({ text: "x".repeat(10_000_000), list: Array.from({ length: 1000 }, () => 1), ...Object.fromEntries(Array.from({ length: 1000 }, (_, at) => [`f${at}`, 1])) });
    assert.equal((fields["text"] as string).length, 513);
    assert.equal((fields["list"] as unknown[]).length, 100);
    assert.equal(Object.keys(fields).length, 32);
    assert.ok(size < 3000);
  });

  for (const [what, fields] of [
    ["a field with such a name", { password: "hunter2", apiKey: "hunter2", clientSecret: "hunter2", token: "hunter2", deep: { pin: "hunter2" } }],
    ["a JSON Web Token", { reason: "no eyJhbGciOiJub25lIn0.eyJodW50ZXIyIjoxfQ.hunter2" }],
    ["a key", { reason: "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----" }],
    ["HTTP credentials", { reason: "sent Authorization: Bearer hunter2hunter2" }],
    ["a password in a URL", { url: "mqtt://me:hunter2@example.com" }],
  ] as const) {
    it(`leaves out ${what}`, () => {
      const text = JSON.stringify(clean(fields));
      assert.doesNotMatch(text, /hunter2|eyJ/);
      assert.match(text, /\[left out\]/);
    });
  }
});
