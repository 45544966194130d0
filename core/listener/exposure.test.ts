import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { loadConfig } from "../config/load.ts";
import { definePlugin } from "../plugin.ts";
import { testPlugin } from "../testkit/test-plugin.ts";
import { listenerFields, listenerPlaces } from "./listener-config.ts";

const plain = definePlugin({
  name: "plain",
  description: "Says where it would listen",
  config: v.strictObject(listenerFields(7000)),
  listens: (config) => listenerPlaces(config, "Plain protocol"),
  setup: () => {},
});
const tls = { certFile: "a.pem", keyFile: "a.key" };
const problemsOf = async (section: object, gateway: object = {}) => (await loadConfig("busbar.ts", { importModule: async () => ({ default: { plugins: { line: { use: plain, ...section } }, gateway } }) })).problems.map(({ key, message }) => `${key}: ${message}`);

test("a listener beyond this machine has to have TLS, or to say insecure: true", async () => {
  for (const host of ["0.0.0.0", "::", "192.168.7.1", "plant.example", "::ffff:10.0.0.1"]) {
    assert.deepEqual(await problemsOf({ host }), [`plugins.line.host: ${JSON.stringify(host)} is reached by other machines, and there is no TLS`]);
    assert.deepEqual(await problemsOf({ host, tls }), []);
    assert.deepEqual(await problemsOf({ host, insecure: true }), []);
    assert.deepEqual(await problemsOf({ host }, { requireTls: false }), []);
  }
  for (const host of ["127.0.0.1", "127.9.9.9", "::1", "localhost"]) assert.deepEqual(await problemsOf({ host }), []);
});

test("the place of the problem is that of the host in the file", async () => {
  const yaml = "plugins:\n  line:\n    use: plain\n    host: 0.0.0.0\n";
  const { problems } = await loadConfig("busbar.yaml", { readText: async () => yaml, loadPlugin: async () => plain });
  assert.deepEqual(problems.map(({ line, column }) => [line, column]), [[4, 11]]);
});

test("the kernel itself starts no listener that must not be, and warns about one that goes without, at each start", async () => {
  await assert.rejects(testPlugin(plain, { host: "0.0.0.0" }), { code: "CONFIG", message: /Cannot listen on 0\.0\.0\.0 without TLS: set plugins\.subject\.tls, or plugins\.subject\.insecure to true/ });
  for (const options of [{ config: { host: "0.0.0.0", insecure: true } }, { config: { host: "0.0.0.0" }, gateway: { requireTls: false } }]) {
    await using gateway = await testPlugin(plain, options.config, options.gateway && { gateway: options.gateway });
    assert.deepEqual(gateway.log.filter(({ level }) => level === "warn").map(({ message }) => message), ["Plain protocol listens beyond this machine without TLS: whoever sees the network can read and change what is said"]);
    assert.equal(gateway.metric("busbar_insecure_listeners"), 1);
  }
  await using local = await testPlugin(plain, {});
  assert.deepEqual([local.log.filter(({ level }) => level === "warn"), local.metric("busbar_insecure_listeners")], [[], 0]);
});
