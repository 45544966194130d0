import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

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
  const missing = promises.flatMap(({ sentence, tests }) =>
    [...tests.matchAll(/`([\w./-]+\.ts)`(?:: "([^"]+)")?/g)].flatMap(([, file, title]) => {
      if (!existsSync(join(root, file!))) return [`${file} (${sentence})`];
      return title === undefined || readFileSync(join(root, file!), "utf8").includes(title) ? [] : [`${file}: "${title}" (${sentence})`];
    }),
  );
  assert.deepEqual(missing, []);
});
