import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, symlink } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { commandFor } from "@busbar/core";
import { openFolder, runBusbar, smallConfig, startGateway } from "../testing/busbar.ts";

const modules = fileURLToPath(new URL("../../node_modules", import.meta.url));

/** A temporary folder in which the packages of this checkout are installed. */
async function openProject(files: Readonly<Record<string, string>> = {}) {
  const folder = await openFolder(files);
  await symlink(modules, join(folder.path, "node_modules"), "junction");
  return folder;
}

test("busbar new plugin writes a plugin whose own tests pass", async () => {
  await using folder = await openProject();
  const { code, stdout } = await runBusbar(["new", "plugin", "my-meter"], { cwd: folder.path });
  assert.equal(code, 0);
  assert.match(stdout, /^made the plugin my-meter in .*busbar-plugin-my-meter$/m);
  const plugin = join(folder.path, "busbar-plugin-my-meter");
  for (const file of ["mod.ts", "mod.test.ts", "README.md", "package.json"]) assert.ok(!(await readFile(join(plugin, file), "utf8")).includes("my-protocol"), file);
  const [runtime, ...words] = commandFor("mod.test.ts");
  const { NODE_TEST_CONTEXT: _, ...env } = process.env; // or Node would take it for a part of this test
  const args = words.length === 1 ? ["--test", ...words] : ["test", "-A", "--no-check", words.at(-1)!];
  const child = spawn(runtime, args, { cwd: plugin, env: { ...env, NO_COLOR: "1" }, stdio: ["ignore", "pipe", "inherit"] });
  const [output, [ended]] = await Promise.all([text(child.stdout), once(child, "close")]);
  assert.equal(ended, 0, output);
  assert.match(output, /(?:pass 3|3 passed)/);
});

test("busbar start runs a plugin that busbar new made", async () => {
  await using folder = await openProject({ "busbar.yaml": `${smallConfig}  meters: { use: ./plugins/meter/mod.ts, port: 0 }\n` });
  const { stdout } = await runBusbar(["new", "plugin", "meter", "--dir", "plugins/meter"], { cwd: folder.path });
  assert.match(stdout, /use: \.\/plugins\/meter\/mod\.ts/);
  await using gateway = await startGateway(folder.path);
  assert.match([...gateway.urls].find(([what]) => what.includes("speak meter"))?.[1] ?? "", /^tcp:\/\/127\.0\.0\.1:\d+$/);
});

test("busbar new leaves a folder alone in which something is, and refuses a name that is none", async () => {
  await using folder = await openFolder({ "notes.txt": "mine" });
  const full = await runBusbar(["new", "plugin", "meter", "--dir", "."], { cwd: folder.path });
  assert.deepEqual([full.code, full.stderr], [74, "busbar: cannot write to .: it is not empty\n"]);
  const bad = await runBusbar(["new", "plugin", "../meter"], { cwd: folder.path });
  assert.equal(bad.code, 64);
  assert.match(bad.stderr, /^busbar: new: "\.\.\/meter" is no name for a plugin: /);
});
