import assert from "node:assert/strict";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { definePlugin, AuditFeedPort, type AuditFeed, type Bus } from "@busbar/core";
import { testPlugin, until, type TestGateway } from "@busbar/core/testkit";
import * as v from "valibot";
import plugin from "./mod.ts";
import { temporaryFolder } from "./temporary-storage.ts";

const sensitive = [{ topics: "event/diary", fields: ["payload.text"] }];
const key = (byte: number): string => Buffer.alloc(32, byte).toString("hex");

/** Runs a gateway with the plugin for as long as `use` takes. */
async function running(cwd: string, section: object, use: (parts: { readonly gateway: TestGateway; readonly bus: Bus; readonly audit: AuditFeed }) => Promise<void>): Promise<void> {
  let held: { readonly bus: Bus; readonly audit: AuditFeed } | undefined;
  const holder = definePlugin({ name: "holder", description: "Holds the bus for the test", config: v.strictObject({}), needs: { audit: AuditFeedPort }, setup: (ctx) => void (held = { bus: ctx.bus, audit: ctx.needs.audit }) });
  const gateway = await testPlugin(plugin, section, { cwd, plugins: { plant: [holder, {}] } });
  try {
    await use({ gateway, ...held! });
  } finally {
    await gateway.stop();
  }
}

test("plugin says which keys are in use and missing, what is in plain text, and that the key is another one", async (context) => {
  const cwd = temporaryFolder(context);
  const say = (bus: Bus, text: string) => bus.deliver({ type: "event", from: "diary", qos: 1, payload: { text } });
  const audited = (audit: AuditFeed): unknown[] => audit.take(1000).filter(({ action }) => action.startsWith("key-")).map(({ action, fields }) => [action, fields]);
  await running(cwd, {}, async ({ bus, audit }) => {
    await say(bus, "one");
    await say(bus, "two");
    assert.deepEqual(audited(audit), []);
  });
  await running(cwd, { encryption: { sensitive, keys: [{ id: "a", key: key(1) }] } }, async ({ gateway, bus, audit }) => {
    await until("old messages are counted", () => gateway.metric("busbar_storage_unencrypted_entries") === 2);
    await until("that is said", () => gateway.log.some(({ message }) => message.includes("busbar rekey")));
    await say(bus, "three");
    assert.deepEqual(audited(audit), [["key-created", { of: "fields at rest", id: "a" }]]);
  });
  writeFileSync(join(cwd, "b.key"), `${key(2)}\n`, { mode: 0o600 });
  const b = { id: "b", keyFile: "b.key" };
  await running(cwd, { retentionInterval: "100ms", encryption: { sensitive, keys: [b, { id: "a", key: key(1) }] } }, async ({ gateway, bus, audit }) => {
    await say(bus, "four");
    assert.deepEqual(audited(audit), [["key-changed", { of: "fields at rest", id: "b", before: "a" }]]);
    assert.equal(gateway.metric('busbar_storage_encrypted_entries{key="a",state="former"}'), 1);
    await until("the new one is counted", () => gateway.metric('busbar_storage_encrypted_entries{key="b",state="current"}') === 1);
  });
  await running(cwd, { encryption: { sensitive, keys: [b] } }, async ({ gateway, audit }) => {
    assert.deepEqual(audited(audit), []);
    assert.equal(gateway.metric('busbar_storage_encrypted_entries{key="a",state="missing"}'), 1);
    assert.ok(gateway.log.some(({ message }) => message.includes("a key that is not in the config")));
  });
  if (process.platform === "win32") return;
  chmodSync(join(cwd, "b.key"), 0o644);
  await assert.rejects(running(cwd, { encryption: { sensitive, keys: [b] } }, async () => {}), /others have access to it/);
});
