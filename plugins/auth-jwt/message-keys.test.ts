import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import * as v from "valibot";
import { configSchema } from "./config-schema.ts";
import { loadMessageKeys } from "./message-keys.ts";

const [old, fresh] = ["the old key, which has 32 bytes or more", "the new key, which has 32 bytes or more"];
const load = (messageKeys: unknown, { folder = "", revoked = [] as readonly string[] } = {}) =>
  loadMessageKeys(v.parse(configSchema, { messageKeys }).messageKeys, { path: (file) => join(folder, file), revoked: (id) => revoked.includes(id) });
const texts = (keys: readonly Uint8Array[]): readonly string[] => keys.map((key) => Buffer.from(key).toString());

test("loadMessageKeys() gives both keys of a rotation, from the config and from a file, and none to others", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "busbar-keys-"));
  t.after(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, "new.key"), `${fresh}\n`, { mode: 0o600 });
  const keysOf = await load({ "home-7": [{ key: old }, { keyFile: "new.key" }], "home-8": [{ key: old }] }, { folder, revoked: ["home-8"] });
  assert.deepEqual(texts(keysOf("home-7")), [old, fresh]);
  for (const id of ["home-8", "home-7/lamp", "home-9", "__proto__", ""]) assert.deepEqual(keysOf(id), [], id);
});

test("loadMessageKeys() refuses a key that is too short, and a file that others can read or that is not there", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "busbar-keys-"));
  t.after(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, "open.key"), fresh, { mode: 0o644 });
  await assert.rejects(load({ a: [{ key: "x".repeat(31) }] }), { code: "CONFIG", message: /messageKeys\["a"\]\[0\].*31 bytes/ });
  if (process.platform !== "win32") await assert.rejects(load({ a: [{ keyFile: "open.key" }] }, { folder }), { code: "CONFIG", message: /others have access/ });
  await assert.rejects(load({ a: [{ keyFile: "none.key" }] }, { folder }), { code: "IO" });
});

test("configSchema wants one key or two of each device, each from one place", () => {
  for (const messageKeys of [{ a: [] }, { a: [{}] }, { a: [{ key: old, keyFile: "x" }] }, { a: [{ key: old }, { key: old }, { key: old }] }, { "+": [{ key: old }] }, { all: [{ key: old }] }, { a: { key: old } }]) assert.equal(v.safeParse(configSchema, { messageKeys }).success, false, JSON.stringify(messageKeys));
});
