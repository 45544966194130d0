import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openFolder, runBusbar, smallConfig } from "../testing/busbar.ts";

/** Everything that users are told to try, in one file. */
const wrong = `plugins:
  auth-jwt: { keyFile: signing.key }
  http:
    prt: 8080
  websocket: {}
  tcp-protobuf:
    port: 70000
  storage-sqlite:
    file: "\${env:BUSBAR_NO_SUCH_VARIABLE}"
  http: { port: 8081 }
routes:
  - { from: status/#, to: nowhere }
`;

const expected = [
  /^busbar\.yaml:4:5 plugins\.http\.prt: .*unknown key.*did you mean "port"\?/m,
  /^busbar\.yaml:7:\d+ plugins\.tcp-protobuf\.port: .*65535/m,
  /^busbar\.yaml:9:\d+ plugins\.storage-sqlite\.file: .*BUSBAR_NO_SUCH_VARIABLE/m,
  /^busbar\.yaml:10:3 plugins\.http: /m,
  /^busbar\.yaml:12:\d+ routes\[0\]\.to: .*nowhere/m,
];

test("busbar check lists every problem, a line each, and ends with 78", async () => {
  await using folder = await openFolder({ "busbar.yaml": wrong });
  const { code, stdout, stderr } = await runBusbar(["check"], { cwd: folder.path });
  for (const line of expected) assert.match(stdout, line);
  assert.equal(stdout.trimEnd().split("\n").length, expected.length, stdout);
  assert.deepEqual([code, stderr], [78, ""]);
});

test("busbar check --json gives the same problems as an object", async () => {
  await using folder = await openFolder({ "busbar.yaml": wrong });
  const { code, stdout } = await runBusbar(["check", "--json"], { cwd: folder.path });
  const { ok, problems } = JSON.parse(stdout) as { ok: boolean; problems: { file: string; line: number; column: number; key: string; message: string }[] };
  assert.deepEqual([code, ok, problems.length], [78, false, expected.length]);
  assert.deepEqual([problems[0]?.file, problems[0]?.line, problems[0]?.column, problems[0]?.key], ["busbar.yaml", 4, 5, "plugins.http.prt"]);
});

test("busbar start refuses a wrong config with the text of check, and starts nothing", async () => {
  await using folder = await openFolder({ "busbar.yaml": wrong });
  const check = await runBusbar(["check"], { cwd: folder.path });
  const start = await runBusbar(["start"], { cwd: folder.path });
  assert.deepEqual([start.code, start.stdout, start.stderr], [78, "", check.stdout]);
  assert.ok(!existsSync(join(folder.path, "signing.key")));
});

test("busbar check says how much is right", async () => {
  await using folder = await openFolder({ "site.yaml": `${smallConfig}routes:\n  - { from: "status/#", to: "event/seen/{id}" }\n` });
  assert.deepEqual(await runBusbar(["check", "site.yaml"], { cwd: folder.path }), { code: 0, signal: null, stdout: "config ok: 4 plugins, 1 route\n", stderr: "" });
  assert.equal((await runBusbar(["check", "site.yaml", "--json"], { cwd: folder.path })).stdout, '{"ok":true,"problems":[]}\n');
});

test("busbar check without a config, or with one that is not there, ends with 78 and one line", async () => {
  await using folder = await openFolder();
  const none = await runBusbar(["check"], { cwd: folder.path });
  assert.deepEqual([none.code, none.stderr.split("\n").length], [78, 2]);
  assert.match(none.stderr, /^busbar: no config is named, and there is no busbar\.yaml/);
  const missing = await runBusbar(["check", "site.yaml"], { cwd: folder.path });
  assert.deepEqual([missing.code, missing.stdout.split("\n").length], [78, 2]);
  assert.match(missing.stdout, /^site\.yaml: the file cannot be read: /);
});

test("busbar check --schema prints a JSON Schema with every installed plugin", async () => {
  await using folder = await openFolder();
  const { code, stdout, stderr } = await runBusbar(["check", "--schema"], { cwd: folder.path });
  assert.deepEqual([code, stderr], [0, ""]);
  const schema = JSON.parse(stdout) as { $schema: string; properties: { plugins: { properties: Record<string, unknown> } } };
  assert.equal(schema.$schema, "https://json-schema.org/draft/2020-12/schema");
  for (const name of ["auth-jwt", "http", "mqtt", "opcua-sim", "storage-sqlite", "tcp-protobuf", "websocket"]) assert.ok(name in schema.properties.plugins.properties, name);
});

test("busbar plugins lists what is installed from metadata", async () => {
  await using folder = await openFolder();
  const { code, stdout } = await runBusbar(["plugins"], { cwd: folder.path });
  assert.equal(code, 0);
  assert.match(stdout, /^auth-jwt +\d+\.\d+\.\d+ +node deno +\S/m);
  const listed = JSON.parse((await runBusbar(["plugins", "--json"], { cwd: folder.path })).stdout) as { name: string; package: string }[];
  assert.ok(listed.some(({ name, package: from }) => name === "http" && from === "@busbar/http"));
});
