import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import * as v from "valibot";
import { listPlugins, loadPlugin } from "../discover.ts";
import { loadConfig } from "../load.ts";
import { formatProblem } from "../problem.ts";
import { denoFlags } from "./deno-flags.ts";
import { gatewayPermissions } from "./gateway-permissions.ts";
import { noPermissions, parseManifest, permissionKinds } from "./manifest.ts";
import { formatAddress, resolvePermissions, type Permissions } from "./permissions.ts";
import { readPluginPackage } from "./plugin-manifest.ts";
import { fieldsOf, fillIn, hasField } from "./template.ts";

const nothing: Permissions = { net: [], read: [], write: [], env: [], sys: [] };

test("fillIn() fills in fields, drops what is absent or false, and repeats for lists", () => {
  const config = { host: "::1", port: 0, tls: { keyFile: "k" }, keys: [{ file: "a" }, { file: "b" }, {}], off: false, on: true, none: "" };
  const cases: readonly (readonly [entry: string, filled: readonly string[]])[] = [
    ["data", ["data"]],
    ["listen:{host}:{port}", ["listen:::1:0"]],
    ["{tls.keyFile}", ["k"]],
    ["{tls.caFile}", []],
    ["{off}", []],
    ["{none}", []],
    ["{keys.file}", ["a", "b"]],
    ["{host} {keys.file}", ["::1 a", "::1 b"]],
    ["x if {on}", ["x"]],
    ["x if {off}", []],
    ["x if {nothing}", []],
    ["{__proto__}{constructor.name}", []],
  ];
  for (const [entry, filled] of cases) assert.deepEqual(fillIn(entry, config), filled, entry);
});

test("hasField() knows fields in pipes, lists and every shape of a variant, and no others", () => {
  const schema = v.pipe(
    v.strictObject({ port: v.optional(v.number(), 1), tls: v.optional(v.strictObject({ keyFile: v.string() })), keys: v.array(v.variant("a", [v.strictObject({ a: v.literal(1), file: v.string() }), v.strictObject({ a: v.literal(2), url: v.string() })])) }),
    v.check(() => true),
  );
  for (const name of ["port", "tls.keyFile", "keys.file", "keys.url"]) assert.ok(hasField(schema, name), name);
  for (const name of ["prot", "tls.certFile", "keys.path", "port.x", "__proto__", "constructor"]) assert.ok(!hasField(schema, name), name);
});

test("resolvePermissions() understands hosts, ports and URLs, and resolves paths", () => {
  const net = (entry: string): string => formatAddress(resolvePermissions({ ...noPermissions, net: [entry] }, {}, "/").net[0]!);
  const cases: readonly (readonly [entry: string, address: string])[] = [
    ["listen:127.0.0.1:8080", "127.0.0.1:8080"],
    ["listen:::1:8080", "[::1]:8080"],
    ["listen:[::1]:0", "[::1]:0"],
    ["connect:127.0.0.1:0", "127.0.0.1"],
    ["connect:mqtts://broker.example", "broker.example:8883"],
    ["connect:https://[fd00::1]/x?y", "[fd00::1]:443"],
    ["connect:ws://h:81", "h:81"],
  ];
  for (const [entry, address] of cases) assert.equal(net(entry), address, entry);
  for (const entry of ["listen:host", "listen:h:70000", "connect:h:x", "connect:://"]) assert.throws(() => net(entry), RangeError, entry);
  assert.deepEqual(resolvePermissions({ ...noPermissions, read: ["folder:{file}", "/etc/x"] }, { file: "data/a.db" }, "/srv").read, ["/srv/data", "/etc/x"]);
});

test("denoFlags() grants nothing for nothing, and leaves out what lies below something granted", () => {
  assert.deepEqual(denoFlags(nothing, "/srv"), ["--no-prompt", "--ignore-env"]);
  assert.deepEqual(denoFlags({ ...nothing, read: ["/srv/data/pki", "/srv/data", "/srv/database", "/etc"] }, "/srv"), ["--no-prompt", "--allow-read=/etc,data,database", "--ignore-env"]);
});

test("parseManifest() names what is wrong", () => {
  assert.deepEqual(parseManifest(undefined), { manifest: noPermissions });
  for (const [value, fault] of [[{ nett: [] }, /nett/], [{ net: ["talk:x"] }, /net\.0: must be listen/], [{ env: ["A B"] }, /env\.0: must be the name/], [{ read: "x" }, /read: /], [[], /must be a map/]] as const) {
    const read = parseManifest(value);
    assert.match("fault" in read ? read.fault : "", fault);
  }
});

async function folderWith(t: TestContext, permissions: unknown): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "busbar-manifest-"));
  t.after(() => rm(folder, { recursive: true }));
  const source = `import * as v from ${JSON.stringify(import.meta.resolve("valibot"))};\nexport default { name: "frost", description: "A test", config: v.strictObject({ host: v.optional(v.string(), "127.0.0.1"), file: v.optional(v.string()) }), setup() {} };\n`;
  const files = {
    "busbar.yaml": "plugins:\n  frost: {}\n  here: { use: ./mine/mod.js, file: \"${env:BUSBAR_TEST_FILE:-x.txt}\" }\n",
    "node_modules/busbar-plugin-frost/package.json": JSON.stringify({ type: "module", exports: "./mod.js", keywords: ["busbar-plugin"], busbar: { permissions, plugins: { thaw: { description: "Melts", permissions: { env: ["HEAT"] } } } } }),
    "node_modules/busbar-plugin-frost/mod.js": source,
    "mine/package.json": JSON.stringify({ type: "module", busbar: { permissions: { read: ["{file}"], net: ["connect:{host}:502"] } } }),
    "mine/mod.js": source,
  };
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  return folder;
}

test("a manifest that is wrong, or names a field that the config has not, is a problem of the config", async (t) => {
  const problems = async (permissions: unknown): Promise<readonly string[]> => {
    const folder = await folderWith(t, permissions);
    return (await loadConfig(join(folder, "busbar.yaml"))).problems.map((one) => formatProblem(one).replace(folder, ""));
  };
  assert.deepEqual(await problems({ net: ["listen:{host}:1"] }), []);
  assert.deepEqual(await problems({ net: ["listen:{hots}:1"] }), ['/busbar.yaml:2:3 plugins.frost: the plugin\'s package.json asks for net "listen:{hots}:1", but its config has no field "hots"; did you mean "host"? allowed: host, file']);
  assert.deepEqual(await problems({ net: ["host"] }), ["/busbar.yaml:2:3 plugins.frost: the permissions in the plugin's package.json are wrong: net.0: must be listen:<host>:<port>, connect:<host>:<port> or connect:<url>"]);
});

test("gatewayPermissions() has the kernel's own needs, each instance's, and their sum", async (t) => {
  const folder = await folderWith(t, { sys: ["hostname"] });
  const { permissions } = await gatewayPermissions(join(folder, "busbar.yaml"), folder);
  assert.ok(permissions);
  assert.deepEqual(permissions.instances.get("frost"), { ...nothing, sys: ["hostname"] });
  assert.deepEqual(permissions.instances.get("here"), { ...nothing, net: [{ action: "connect", host: "127.0.0.1", port: 502 }], read: [join(folder, "x.txt")] });
  assert.ok(permissions.kernel.env.includes("BUSBAR_TEST_FILE") && permissions.kernel.read.includes(join(folder, "busbar.yaml")));
  assert.deepEqual([permissions.all.sys, permissions.all.net.map(formatAddress)], [["hostname"], ["127.0.0.1:502"]]);
});

test("listPlugins() and readPluginPackage() know what a further plugin of a package asks for", async (t) => {
  const folder = await folderWith(t, { sys: ["hostname"] });
  const found = new Map((await listPlugins(folder)).map(({ name, permissions }) => [name, permissions]));
  assert.deepEqual([found.get("frost")?.sys, found.get("frost/thaw")?.env], [["hostname"], ["HEAT"]]);
  assert.equal(await readPluginPackage("nothing-of-that-name", folder), undefined);
});

test("every shipped plugin says what it touches, and only in fields that it has", async () => {
  for (const { name, permissions, folder } of await listPlugins(".")) {
    assert.ok(permissions, `${name}: its package.json`);
    const { config } = await loadPlugin(name, folder);
    for (const kind of permissionKinds) for (const entry of permissions[kind]) for (const field of fieldsOf(entry)) assert.ok(hasField(config, field), `${name}: ${entry}`);
  }
});

