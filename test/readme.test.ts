import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { formatProblem, loadConfig } from "@busbar/core";

const root = join(import.meta.dirname, "..");
const readme = await readFile(join(root, "README.md"), "utf8");

/** The code blocks of that language. */
function blocks(language: string): string[] {
  return [...readme.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].filter(([, name]) => name === language).map(([, , text]) => text!);
}

test("README.md shows the adapter example as it is, in at most 30 lines", async () => {
  const [shown] = blocks("ts");
  assert.equal(shown, await readFile(join(root, "examples/acme-meter/acme-meter.ts"), "utf8"));
  assert.ok(shown!.trimEnd().split("\n").length <= 30);
});

test("README.md shows a config that is right", async (t) => {
  const [shown] = blocks("yaml");
  const file = join(root, "examples/acme-meter/readme-check.yaml"); // beside the plugin that it names
  t.after(() => rm(file, { force: true }));
  await writeFile(file, shown!);
  const { problems } = await loadConfig(file);
  assert.deepEqual(problems.map(formatProblem), []);
});

test("README.md and every other page link only to what is there", async () => {
  const { globSync } = await import("node:fs");
  const pages = globSync("{*.md,{core,client,cli,bench,docs,plugins/*,examples/*}/*.md}", { cwd: root });
  assert.ok(pages.length > 5);
  for (const page of pages) {
    const text = await readFile(join(root, page), "utf8");
    for (const [, target] of text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)[^)]*\)/g)) assert.ok(existsSync(join(root, dirname(page), target!)), `${page} links to ${target}`);
  }
});
