import assert from "node:assert/strict";
import { globSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { formatProblem, installedJsonSchema, loadConfig } from "@busbar/core";

const root = join(import.meta.dirname, "..");

test("every example's config is right", async () => {
  const files = globSync("examples/*/*.{yaml,yml}", { cwd: root });
  assert.ok(files.includes(join("examples", "default", "busbar.yaml")));
  for (const file of files) assert.deepEqual((await loadConfig(join(root, file))).problems.map(formatProblem), []);
});

test("examples/default/busbar.schema.json is what `busbar check --schema` prints", async () => {
  const { text, failures } = await installedJsonSchema(join(root, "examples/default"));
  assert.deepEqual(failures, []);
  assert.ok((await readFile(join(root, "examples/default/busbar.schema.json"), "utf8")) === text, "it is another one; run: npm run schema");
});
