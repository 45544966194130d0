import assert from "node:assert/strict";
import { test } from "node:test";
import type { CheckedConfig } from "./checked.ts";
import { diffConfig } from "./diff.ts";
import { loadConfig } from "./load.ts";
import { sampleHost } from "./sample-plugins.ts";

async function config(text: string, env: Readonly<Record<string, string>> = {}): Promise<CheckedConfig> {
  const loaded = await loadConfig("busbar.yaml", sampleHost(text, env));
  assert.deepEqual(loaded.problems, []);
  return loaded.config!;
}

test("diffConfig() tells what a reload has to touch", async () => {
  const old = await config("plugins:\n  http: { port: 1, host: x }\n  a: { use: historian }\n  b: { use: historian }\n  auth:\n    secret: ${env:S}\nroutes:\n  - { from: x/y, to: a }\n", { S: "12345678a" });
  const next = await config("plugins:\n  http: { host: x, port: 1 }\n  a: { use: historian, required: false }\n  c: { use: historian }\n  auth:\n    secret: ${env:S}\nroutes:\n  - { from: x/y, to: a }\ngateway: { commandTtl: 2h }\n", { S: "12345678b" });
  assert.deepEqual(diffConfig(old, next), { added: ["c"], removed: ["b"], changed: ["a", "auth"], kept: ["http"], routes: false, gateway: true });
  assert.deepEqual(diffConfig(old, old), { added: [], removed: [], changed: [], kept: ["http", "a", "b", "auth"], routes: false, gateway: false });
});

test("diffConfig() sees another plugin and another route", async () => {
  const old = await config("plugins:\n  x: { use: historian }\nroutes:\n  - { from: x/y, steps: [{ pick: [a] }], to: x }\n");
  const next = await config("plugins:\n  x: { use: http }\nroutes:\n  - { from: x/y, steps: [{ pick: [b] }], to: event/x }\n");
  assert.deepEqual(diffConfig(old, next), { added: [], removed: [], changed: ["x"], kept: [], routes: true, gateway: false });
});
