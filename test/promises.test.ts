import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { missingTests } from "./support/named-tests.ts";

const root = join(import.meta.dirname, "..");
const page = readFileSync(join(root, "docs/promises.md"), "utf8");

/** The rows of the tables below "Promised": the sentence, and what is said of its tests. */
const promises = page
  .slice(page.indexOf("\n## Promised"), page.indexOf("\n## Not promised"))
  .split("\n")
  .map((line) => /^\| (.+) \| (.+) \|$/.exec(line))
  .flatMap((found) => (found && found[1] !== "promise" ? [{ sentence: found[1]!, tests: found[2]! }] : []));

test("docs/promises.md names at least one test for each promise", () => {
  assert.ok(promises.length >= 30, `${promises.length} promises`);
  for (const { sentence, tests } of promises) assert.match(tests, /`[\w./-]+\.ts`/, sentence);
});

test("docs/promises.md names tests that exist, in the words of their titles", () => {
  assert.deepEqual(promises.flatMap(({ sentence, tests }) => missingTests(tests).map((missing) => `${missing} (${sentence})`)), []);
});
