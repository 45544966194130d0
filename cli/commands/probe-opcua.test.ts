import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { testPlugin } from "@busbar/core/testkit";
import type { OpcuaProbeReport } from "@busbar/opcua/probe";
import opcuaSim from "@busbar/opcua-sim";
import { openFolder, runBusbar } from "../testing/busbar.ts";

/** A plant with a set point, on a server that wants to be trusted and offers no security, too. */
const plant = { machines: [{ id: "oven", tags: [{ name: "target", unit: "°C", range: [0, 300], signal: { kind: "setpoint", value: 150.5 } }, { name: "on", kind: "bool", signal: { kind: "setpoint", value: true } }] }] };
const env = { NO_COLOR: "1" };
let folder: Awaited<ReturnType<typeof openFolder>>;
let gateway: Awaited<ReturnType<typeof testPlugin>>;
let url = "";

before(async () => {
  folder = await openFolder({});
  gateway = await testPlugin(opcuaSim, { plant, modbus: { enabled: false }, opcua: { port: 0, pki: join(folder.path, "server"), acceptUnknownClients: true, users: [{ name: "operator", password: "a long password" }] } });
  url = gateway.urls[0]!;
});
after(async () => {
  await gateway.stop();
  await folder[Symbol.asyncDispose]();
});

const probe = (words: readonly string[], more: Readonly<Record<string, string>> = {}) => runBusbar(["probe", "opcua", ...words], { cwd: folder.path, env: { ...env, ...more } });

test("busbar probe opcua prints endpoints, the server, the tree and a config that busbar check takes", async () => {
  const { code, stdout, stderr } = await probe([url, "--policy", "None", "--timeout", "20s"]);
  assert.deepEqual([code, stderr.replace(/^.*DEP0\d+.*\n.*\n?/m, "")], [0, ""]);
  assert.match(stdout, /Basic256Sha256 +SignAndEncrypt +.*UserName.*Anonymous$/m);
  assert.match(stdout, /SHA-256 [0-9a-f]{64}/);
  assert.match(stdout, /namespace 1 urn:busbar:opcua-sim/);
  assert.match(stdout, /^ {6}target +Double +rw +°C +0 to 300 +150\.5 +nsu=urn:busbar:opcua-sim;s=oven\.target$/m);
  const yaml = stdout.slice(stdout.indexOf("plugins:"));
  assert.match(yaml, /tag: "target", device: "oven" \} +# Double, °C, 0 to 300, writable, 150\.5$/m);
  assert.match(yaml, /folders: \[\{ under: "nsu=urn:busbar:opcua-sim;s=Plant", device: "\{1\}", tag: "\{2\.\.\}" \}\]/);
  await using config = await openFolder({ "busbar.yaml": yaml });
  assert.deepEqual(await runBusbar(["check"], { cwd: config.path }).then(({ stdout: checked, stderr: problems, code: ended }) => [ended, checked.trim(), problems]), [0, "config ok: 1 plugin, 0 routes", ""]);
});

test("busbar probe opcua ends with 69 and the fingerprint while the server is not trusted; --trust lets it in", async () => {
  const refused = await probe([url, "--timeout", "20s"]);
  assert.equal(refused.code, 69);
  assert.match(refused.stdout, /no more than this: Cannot trust the server .* SHA-256 fingerprint [0-9a-f]{64} .* --trust/);
  const trusted = await probe([url, "--trust", "--timeout", "20s", "--user", "operator", "--under", "/Objects/Plant/oven", "--json"], { BUSBAR_OPCUA_PASSWORD: "a long password" });
  assert.equal(trusted.code, 0, trusted.stdout);
  const { connection, tree, yaml } = JSON.parse(trusted.stdout) as OpcuaProbeReport;
  assert.deepEqual([connection, tree!.nodes.map(({ names, value }) => [names[0], value])], [{ policy: "Basic256Sha256", mode: "SignAndEncrypt" }, [["target", 150.5], ["on", true]]]);
  assert.ok(!(trusted.stdout + trusted.stderr).includes("a long password"));
  assert.match(yaml, /password: "\$\{env:BUSBAR_OPCUA_PASSWORD\}"/);
});

test("busbar probe opcua ends with 69 when nobody is there", async () => {
  const { code, stderr } = await probe(["opc.tcp://127.0.0.1:1"]);
  assert.equal(code, 69);
  assert.match(stderr, /nothing listens there/);
});

for (const [words, line] of [
  [["http://plc:4840"], /^busbar: probe: the address must be such as opc\.tcp:\/\/192\.168\.1\.10:4840, not "http:\/\/plc:4840"$/],
  [["opc.tcp://me:secret@plc"], /^busbar: probe: the address must not hold a name or password; say --user$/],
  [["plc", "--user", "operator"], /^busbar: probe: --user needs the password in BUSBAR_OPCUA_PASSWORD$/],
  [["plc", "--under", "Plant"], /^busbar: probe: --under: Cannot read the node "Plant": expected ns=2;s=name/],
] as const) {
  test(`busbar probe opcua ${words.join(" ")} is refused with 64`, async () => {
    const { code, stderr } = await probe(words);
    assert.match(stderr.trimEnd(), line);
    assert.equal(code, 64);
  });
}
