import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { SecurityPolicy } from "node-opcua";
import * as v from "valibot";
import { parse } from "yaml";
import { configSchema } from "../config.ts";
import { openOpcuaFixture, type OpcuaFixture } from "../testing/opcua-fixture.ts";
import { probeOpcua, type OpcuaProbeOptions } from "./probe.ts";

const folder = mkdtempSync(join(tmpdir(), "busbar-probe-test-"));
const pki = join(folder, "pki");
let fixture: OpcuaFixture;

before(async () => {
  fixture = await openOpcuaFixture({ users: { operator: "a long password" }, server: { securityPolicies: [SecurityPolicy.None, SecurityPolicy.Basic256Sha256] } });
});
after(async () => {
  await fixture.close();
  rmSync(folder, { recursive: true, force: true });
});

const probe = (options: Partial<OpcuaProbeOptions> = {}) => probeOpcua({ url: fixture.url, policy: "None", pki, trust: false, depth: 10, limit: 1_000, timeout: 10_000, signal: new AbortController().signal, ...options });
const plant = (name: string): string => `nsu=urn:busbar:test:plant;s=${name}`;

test("probeOpcua() finds endpoints, the server and its tree, and suggests a config that the plugin takes", async () => {
  const { endpoints, certificate, server, tree, fault, yaml, notes } = await probe();
  assert.equal(fault, undefined);
  assert.deepEqual(endpoints.map(({ policy, mode, usable }) => [policy, mode, usable]), [["None", "None", true], ["Basic256Sha256", "Sign", true], ["Basic256Sha256", "SignAndEncrypt", true]]);
  assert.ok(endpoints[0]!.users.includes("Anonymous") && endpoints[0]!.users.includes("UserName"));
  assert.match(certificate!.sha256, /^[0-9a-f]{64}$/);
  assert.deepEqual([server!.product, server!.manufacturer, server!.version, server!.state, server!.limits.read, server!.namespaces[3]], ["Busbar test server", "Busbar", "1.0.0", "Running", 10_000, "urn:busbar:test:plant"]);
  assert.deepEqual(notes, ["the connection is neither signed nor encrypted (policy None)"]);
  const node = (name: string) => tree!.nodes.find(({ names }) => names.join("/") === name)!;
  assert.deepEqual(node("Plant/press-1/temperature"), { names: ["Plant", "press-1", "temperature"], path: "/Objects/3:Plant/3:press-1/3:temperature", nodeId: plant("press-1.temperature"), kind: "variable", type: "Double", unit: "°C", range: { low: 0, high: 120 }, access: "rwh", valueNames: undefined, value: 20, quality: "good", code: undefined });
  assert.deepEqual([node("Plant/press-1/matrix").type, node("Plant/press-1/state").value, node("Plant/press-1/state").valueNames, node("Plant/press-1/scale").kind, node("Plant/press-1/temperature-alarm").kind], ["Int32[][]", "Jammed", ["Idle", "Pressing", "Jammed"], "method", "condition"]);
  assert.ok(!tree!.nodes.some(({ names }) => names[0] === "Server"), "the server's own object is left out");
  assert.ok(!existsSync(pki), "nothing is made for a connection without security");
  const config = v.parse(configSchema, (parse(yaml) as { readonly plugins: { readonly opcua: unknown } }).plugins.opcua);
  assert.deepEqual(config.nodes.find(({ tag }) => tag === "temperature"), { ...config.nodes[0], node: plant("press-1.temperature"), tag: "temperature", device: "press-1" });
  assert.deepEqual([config.url, config.security.policy, config.alarms.sources], [fixture.url, "None", ["i=2253"]]);
  assert.match(yaml, /# {3}- \{ name: "scale", object: "nsu=urn:busbar:test:plant;s=press-1", method: "nsu=urn:busbar:test:plant;s=press-1\.scale" \}/);
  assert.match(yaml, /tag: "temperature", device: "press-1" \} {3}# Double, °C, 0 to 120, writable, history, 20\n/);
});

test("probeOpcua() keeps to its part of the tree and says which bound it met", async () => {
  const { tree } = await probe({ under: "/Objects/Plant", depth: 1 });
  assert.deepEqual([tree!.nodes.map(({ path }) => path), tree!.cut], [["/Objects/Plant/3:press-1"], "depth"]);
  const few = await probe({ under: plant("press-1"), limit: 3 });
  assert.deepEqual([few.tree!.nodes.length, few.tree!.cut], [3, "limit"]);
  assert.match((await probe({ under: "/Objects/Nothing" })).fault!, /"Nothing" is not below \/Objects/);
});

test("probeOpcua() shows the fingerprint of a server that nobody trusts, and gets in once it is trusted", async () => {
  const untrusted = await probe({ policy: "auto" });
  assert.match(untrusted.fault!, new RegExp(`SHA-256 fingerprint ${untrusted.certificate!.sha256}`));
  assert.deepEqual([untrusted.tree, untrusted.yaml, untrusted.endpoints.length], [undefined, "", 3]);
  const trusted = await probe({ policy: "auto", trust: true, user: { name: "operator", password: "a long password" } });
  assert.equal(trusted.fault, undefined);
  assert.deepEqual([trusted.connection, trusted.trusted, readdirSync(trusted.trusted!).length], [{ policy: "Basic256Sha256", mode: "SignAndEncrypt" }, join(pki, "trusted/certs"), 1]);
  const config = v.parse(configSchema, (parse(trusted.yaml) as { readonly plugins: { readonly opcua: unknown } }).plugins.opcua);
  assert.deepEqual([config.trustedServers, config.security.policy, config.user], [[trusted.certificate!.sha256], "auto", { name: "operator", password: "${env:BUSBAR_OPCUA_PASSWORD}" }]);
  assert.equal((await probe({ policy: "auto" })).fault, undefined, "it is trusted from now on");
});

test("probeOpcua() says what the server has against a user, without the password", async () => {
  const { fault, notes } = await probe({ user: { name: "operator", password: "not this one" } });
  assert.match(fault!, /the server refuses the user/);
  assert.ok(!JSON.stringify([fault, notes]).includes("not this one"));
});

test("probeOpcua() fails where nobody answers", async () => {
  await assert.rejects(probe({ url: "opc.tcp://127.0.0.1:1" }), { code: "UNAVAILABLE", message: /nothing listens there/ });
});
