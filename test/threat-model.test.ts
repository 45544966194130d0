import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { missingTests, namedTests } from "./support/named-tests.ts";

const page = readFileSync(join(import.meta.dirname, "..", "docs", "threat-model.md"), "utf8");

/** The rows of the table: the attack, what stops it, and the tests. */
const rows = page
  .slice(page.indexOf("\n## What stops them"), page.indexOf("\n## Not protected against"))
  .split("\n")
  .map((line) => /^\| (.+) \| (.+) \| (.+) \|$/.exec(line))
  .flatMap((found) => (found && found[1] !== "attack" ? [{ attack: found[1]!, tests: found[3]! }] : []));

test("docs/threat-model.md names at least one test for each attack, and each exists in the words of its title", () => {
  assert.ok(rows.length >= 20, `${rows.length} attacks`);
  for (const { attack, tests } of rows) {
    assert.notEqual(namedTests(tests).length, 0, attack);
    assert.deepEqual(missingTests(tests), [], attack);
  }
});

test("docs/threat-model.md says what is worth attacking, where the borders are, who comes, what stops them, and what does not", () => {
  for (const part of ["Assets", "Borders", "Attackers", "What stops them", "Not protected against"]) assert.ok(page.includes(`\n## ${part}\n`), part);
});
