import assert from "node:assert/strict";
import { test } from "node:test";
import { nearest, suggest } from "./nearest.ts";

test("nearest() finds what was meant and nothing else", () => {
  const keys = ["port", "host", "timeout", "maxConnections"];
  const pairs: readonly (readonly [string, string | undefined])[] = [
    ["prt", "port"],
    ["PORT", "port"],
    ["prot", "port"],
    ["hots", "host"],
    ["tiemout", "timeout"],
    ["max", "maxConnections"],
    ["maxconections", "maxConnections"],
    ["zzz", undefined],
    ["x", undefined],
    ["", undefined],
  ];
  for (const [text, found] of pairs) assert.equal(nearest(text, keys), found, text);
  assert.equal(nearest("a", []), undefined);
});

test("suggest() names the nearest and all that is allowed", () => {
  assert.equal(suggest("prt", ["port", "host"]), 'did you mean "port"? allowed: port, host');
  assert.equal(suggest(undefined, ["port"], "installed"), "installed: port");
  assert.equal(suggest("x", []), "allowed: none");
  assert.match(suggest("x", Array.from({ length: 50 }, (_, at) => `key${at}`)), /key39, and 10 more$/);
});
