import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { formatProblem, loadConfig } from "@busbar/core";

const root = join(import.meta.dirname, "..");

test("plugins/edge/README.md shows configs that are right", async (t) => {
  const folder = await mkdtemp(join(root, "plugins/edge/readme-check-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const text = await readFile(join(root, "plugins/edge/README.md"), "utf8");
  const shown = [...text.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(([, block]) => block!).filter((block) => /^plugins:/m.test(block));
  assert.ok(shown.length >= 3);
  for (const [at, block] of shown.entries()) {
    const file = join(folder, `${at}.yaml`);
    await writeFile(file, block);
    const { problems } = await loadConfig(file);
    assert.deepEqual(problems.map(formatProblem), [], block);
  }
});
