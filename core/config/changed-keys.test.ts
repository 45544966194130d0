import assert from "node:assert/strict";
import { it } from "node:test";
import { changedKeys } from "./changed-keys.ts";
import type { CheckedConfig } from "./checked.ts";

const config = (plugins: Readonly<Record<string, unknown>>, gateway: object = {}): CheckedConfig =>
  ({ instances: Object.entries(plugins).map(([id, source]) => ({ id, source })), routes: [], gateway }) as unknown as CheckedConfig;

it("changedKeys() names what differs, never a value", () => {
  const old = config({ http: { port: 8080, tls: { cert: "a" } }, auth: { roles: { admin: { publish: ["#"] } }, secret: "hunter2" } }, { dedupeWindow: 1 });
  const next = config({ http: { port: 8081, tls: { cert: "a" } }, auth: { roles: { admin: { publish: ["status/#"] } }, secret: "hunter3" }, mqtt: {} }, { dedupeWindow: 2 });
  assert.deepEqual(changedKeys(old, next), ["plugins.http.port", "plugins.auth.roles.admin", "plugins.auth.secret", "plugins.mqtt", "gateway.dedupeWindow"]);
  assert.deepEqual(changedKeys(old, old), []);
  assert.equal(changedKeys(config({}), config(Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`p-${n}`, {}])))).length, 100);
});
