import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { pathToFileURL } from "node:url";
import { errorCode, errorText } from "../errors.ts";
import { listPlugins, loadPlugin } from "./discover.ts";
import { installedJsonSchema } from "./installed-schema.ts";
import { loadConfig } from "./load.ts";
import { formatProblem } from "./problem.ts";

const core = pathToFileURL(join(import.meta.dirname, "../mod.ts")).href;
const source = (name: string): string =>
  `import * as v from ${JSON.stringify(import.meta.resolve("valibot"))};\nexport default { name: ${JSON.stringify(name)}, description: "A test", config: v.strictObject({ level: v.optional(v.number(), 1) }), setup() {} };\n`;

/** A folder with these files in it, gone after the test. */
async function folderWith(t: TestContext, files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "busbar-discover-"));
  t.after(() => rm(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  return folder;
}

const manifest = (name: string, more: object = {}): string => JSON.stringify({ name, version: "1.2.3", description: "Says so", type: "module", exports: { ".": { types: "./x.d.ts", import: "./main.js" } }, keywords: ["busbar-plugin"], busbar: { api: "^0.1.0", runtimes: ["node"] }, ...more });

test("loadPlugin() finds a path, a short name, a full name, from the folder upwards", async (t) => {
  const folder = await folderWith(t, {
    "mine.js": source("mine"),
    "node_modules/busbar-plugin-frost/package.json": manifest("busbar-plugin-frost"),
    "node_modules/busbar-plugin-frost/main.js": source("frost"),
    "node_modules/@acme/thing/package.json": manifest("@acme/thing", { exports: "./main.js" }),
    "node_modules/@acme/thing/main.js": source("thing"),
    "node_modules/plain/package.json": JSON.stringify({ main: "main.js", type: "module" }),
    "node_modules/plain/main.js": source("plain"),
    "deep/down/here.txt": "",
  });
  const deep = join(folder, "deep/down");
  assert.equal((await loadPlugin("./mine.js", folder)).name, "mine");
  assert.equal((await loadPlugin("../../mine.js", deep)).name, "mine");
  assert.equal((await loadPlugin("frost", deep)).name, "frost");
  assert.equal((await loadPlugin("busbar-plugin-frost", folder)).name, "frost");
  assert.equal((await loadPlugin("@acme/thing", folder)).name, "thing");
  assert.equal((await loadPlugin("plain", folder)).name, "plain");
});

test("loadPlugin() finds a further plugin of a package, and listPlugins() lists it", async (t) => {
  const more = { exports: { ".": "./main.js", "./thaw": { import: "./thaw.js" } }, busbar: { api: "^0.1.0", runtimes: ["node"], plugins: { thaw: "Melts" } } };
  const folder = await folderWith(t, {
    "node_modules/busbar-plugin-frost/package.json": manifest("busbar-plugin-frost", more),
    "node_modules/busbar-plugin-frost/main.js": source("frost"),
    "node_modules/busbar-plugin-frost/thaw.js": source("thaw"),
    "node_modules/@acme/frost/package.json": manifest("@acme/frost", { ...more, keywords: [] }),
    "node_modules/@acme/frost/thaw.js": source("acme-thaw"),
  });
  assert.equal((await loadPlugin("frost/thaw", folder)).name, "thaw");
  assert.equal((await loadPlugin("@acme/frost/thaw", folder)).name, "acme-thaw");
  for (const use of ["frost/freeze", "frost/", "frost/../frost", "frost/thaw/x", "frost/thaw.js"]) await assert.rejects(loadPlugin(use, folder), (error: unknown) => errorCode(error) === "NOT_FOUND", use);
  const found = await listPlugins(folder);
  assert.deepEqual(found.filter(({ package: name }) => name === "busbar-plugin-frost").map(({ name, description }) => [name, description]), [["frost", "Says so"], ["frost/thaw", "Melts"]]);
  const file = join(folder, "busbar.yaml");
  await writeFile(file, "plugins:\n  a: { use: frost/thow }\n");
  assert.deepEqual((await loadConfig(file)).problems.map((problem) => formatProblem({ ...problem, file: "busbar.yaml" })), ['busbar.yaml:2:13 plugins.a.use: no plugin "frost/thow" is installed; did you mean "frost/thaw"? installed: ' + found.map(({ name }) => name).join(", ")]);
});

test("loadPlugin() says why there is no plugin", async (t) => {
  const folder = await folderWith(t, { "not.js": "export default { name: 'not', description: 'x' };\n", "broken.js": "throw new Error('broken at load');\n" });
  const failing: readonly (readonly [string, string, RegExp])[] = [
    ["nothing-of-that-name", "NOT_FOUND", /^Cannot find plugin "nothing-of-that-name"/],
    ["../nope.js", "CONFIG", /there is no file/],
    ["../../etc/passwd", "CONFIG", /must end in \.ts/],
    ["a/../b", "NOT_FOUND", /^Cannot find plugin/],
    ["node:fs", "NOT_FOUND", /^Cannot find plugin/],
    ["./not.js", "CONFIG", /its config is no valibot schema$/],
    ["./broken.js", "CONFIG", /broken at load$/],
  ];
  for (const [use, code, text] of failing) {
    await assert.rejects(loadPlugin(use, folder), (error: unknown) => errorCode(error) === code && text.test(errorText(error)), use);
  }
});

test("listPlugins() reads package.json and runs no plugin", async (t) => {
  const folder = await folderWith(t, {
    "node_modules/busbar-plugin-frost/package.json": manifest("busbar-plugin-frost"),
    "node_modules/busbar-plugin-frost/main.js": "throw new Error('must not run');\n",
    "node_modules/busbar-plugin-silent/package.json": JSON.stringify({ name: "busbar-plugin-silent" }),
    "node_modules/busbar-plugin-bad/package.json": "{",
    "node_modules/@busbar/extra/package.json": manifest("@busbar/extra", { busbar: undefined }),
  });
  const found = await listPlugins(folder);
  assert.deepEqual(found.find(({ name }) => name === "frost"), { name: "frost", package: "busbar-plugin-frost", version: "1.2.3", description: "Says so", api: "^0.1.0", runtimes: ["node"], permissions: { net: [], read: [], write: [], env: [], sys: [], from: [], threads: false }, folder: join(folder, "node_modules/busbar-plugin-frost") });
  assert.equal(found.find(({ name }) => name === "extra")?.api, "");
  assert.ok(!found.some(({ name }) => name === "silent" || name === "bad"));
  assert.ok(found.some(({ package: name }) => name === "@busbar/http"), "what is installed beside core is seen from anywhere");
});

test("installedJsonSchema() leaves out what does not load and says so", async (t) => {
  const folder = await folderWith(t, {
    "node_modules/busbar-plugin-frost/package.json": manifest("busbar-plugin-frost"),
    "node_modules/busbar-plugin-frost/main.js": source("frost"),
    "node_modules/busbar-plugin-thaw/package.json": manifest("busbar-plugin-thaw"),
    "node_modules/busbar-plugin-thaw/main.js": "throw new Error('broken at load');\n",
  });
  const { text, failures } = await installedJsonSchema(folder);
  const schema = JSON.parse(text) as { readonly $defs: Readonly<Record<string, unknown>> };
  assert.ok(schema.$defs["plugin-frost"]);
  assert.match(failures.find(({ name }) => name === "thaw")?.reason ?? "", /broken at load$/);
});

test("loadConfig() reads a module, with the plugin itself in `use`, and again when it has changed", async (t) => {
  const text = (level: string): string => `import { defineConfig, definePlugin } from ${JSON.stringify(core)};\nimport plugin from "./mine.js";\nexport default defineConfig({ plugins: { a: { use: plugin, level: ${level} }, b: { use: "./mine.js" } } });\n`;
  const folder = await folderWith(t, { "mine.js": source("mine"), "busbar.ts": text("7") });
  const file = join(folder, "busbar.ts");
  const { config, problems } = await loadConfig(file);
  assert.deepEqual(problems, []);
  assert.deepEqual(config?.instances.map(({ id, plugin, config }) => [id, plugin.name, config]), [
    ["a", "mine", { level: 7 }],
    ["b", "mine", { level: 1 }],
  ]);
  await writeFile(file, text('"high", lvel: 1'));
  assert.deepEqual((await loadConfig(file)).problems.map(formatProblem), [
    `${file} plugins.a.level: must be a number, not "high"`,
    `${file} plugins.a.lvel: unknown key; did you mean "level"? allowed: level, use, required, isolate`,
  ]);
});

test("loadConfig() says what is wrong with a file as a whole", async (t) => {
  const folder = await folderWith(t, { "a.ts": "export const config = {};\n", "b.ts": "throw new Error('no luck');\n", "c.toml": "", "d.yaml": "- 1\n", "e.yaml/x": "" });
  const lines = async (name: string): Promise<readonly string[]> => (await loadConfig(join(folder, name))).problems.map((problem) => formatProblem({ ...problem, file: name }));
  assert.deepEqual(await lines("a.ts"), ["a.ts: the module has no config as its default export; write export default defineConfig({ … })"]);
  assert.deepEqual(await lines("b.ts"), ["b.ts: the module cannot be loaded: no luck"]);
  assert.deepEqual(await lines("c.toml"), ["c.toml: is no config; allowed: .yaml, .yml, .json, .ts, .mts, .js, .mjs"]);
  assert.deepEqual(await lines("d.yaml"), ["d.yaml:1:1: must be a map, not a list; allowed: plugins, routes, gateway"]);
  assert.deepEqual(await lines("e.yaml"), ["e.yaml: the file cannot be read: it is a folder"]);
  assert.deepEqual(await lines("none.yaml"), ["none.yaml: the file cannot be read: no such file"]);
  assert.deepEqual(await lines("none.ts"), ["none.ts: the module cannot be loaded: no such file"]);
});
