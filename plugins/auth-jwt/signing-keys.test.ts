import assert from "node:assert/strict";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { loadKey, openSigningKey } from "./signing-keys.ts";

const pem = (key: KeyObject): string => key.export({ type: "spki", format: "pem" }).toString();
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const weak = generateKeyPairSync("rsa", { modulusLength: 1024 });
const p256 = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
const p384 = generateKeyPairSync("ec", { namedCurve: "secp384r1" });
const ed = generateKeyPairSync("ed25519");
const options = { at: 0, path: (file: string) => file };
const unfit = (message: RegExp) => ({ code: "CONFIG", message });

test("loadKey() pins a key to its algorithm", async () => {
  assert.deepEqual(await loadKey({ algorithm: "RS256", kid: "a", publicKey: pem(rsa.publicKey) }, options).then(({ algorithm, kid, key }) => [algorithm, kid, key.type]), ["RS256", "a", "public"]);
  assert.equal(((await loadKey({ algorithm: "ES256", kid: undefined, publicKey: pem(p256.publicKey) }, options)).key as KeyObject).asymmetricKeyType, "ec");
  assert.equal(((await loadKey({ algorithm: "HS256", kid: undefined, secret: "x".repeat(32) }, options)).key as KeyObject).symmetricKeySize, 32);
});

test("loadKey() reads keys from files", async (t) => {
  const home = await mkdtemp(join(tmpdir(), "busbar-keys-"));
  t.after(() => rm(home, { recursive: true }));
  await writeFile(join(home, "pub.pem"), pem(rsa.publicKey));
  await writeFile(join(home, "secret"), "y".repeat(40) + "\n", { mode: 0o600 });
  const path = (file: string): string => join(home, file);
  assert.equal(((await loadKey({ algorithm: "RS256", kid: undefined, publicKeyFile: "pub.pem" }, { at: 0, path })).key as KeyObject).asymmetricKeyType, "rsa");
  assert.equal(((await loadKey({ algorithm: "HS256", kid: undefined, secretFile: "secret" }, { at: 0, path })).key as KeyObject).symmetricKeySize, 40);
  await assert.rejects(loadKey({ algorithm: "RS256", kid: undefined, publicKeyFile: "none.pem" }, { at: 0, path }), { code: "IO", message: /none\.pem/ });
});

test("loadKey() refuses an RSA key below 2048 bits", async () => {
  await assert.rejects(loadKey({ algorithm: "RS256", kid: undefined, publicKey: pem(weak.publicKey) }, options), unfit(/1024 bits, at least 2048/));
});

test("loadKey() refuses a key of another kind than its algorithm", async () => {
  await assert.rejects(loadKey({ algorithm: "RS256", kid: undefined, publicKey: pem(p256.publicKey) }, options), unfit(/type ec on prime256v1, rsa/));
  await assert.rejects(loadKey({ algorithm: "RS256", kid: undefined, publicKey: pem(ed.publicKey) }, options), unfit(/ed25519, rsa/));
  await assert.rejects(loadKey({ algorithm: "ES256", kid: undefined, publicKey: pem(rsa.publicKey) }, options), unfit(/type rsa, ec on/));
  await assert.rejects(loadKey({ algorithm: "ES256", kid: undefined, publicKey: pem(p384.publicKey) }, options), unfit(/secp384r1/));
});

test("loadKey() refuses a secret that is empty, short, or a public key", async () => {
  await assert.rejects(loadKey({ algorithm: "HS256", kid: undefined, secret: "" }, options), unfit(/0 bytes, at least 32/));
  await assert.rejects(loadKey({ algorithm: "HS256", kid: undefined, secret: "x".repeat(31) }, { ...options, at: 3 }), unfit(/keys\[3\].*31 bytes/));
  await assert.rejects(loadKey({ algorithm: "HS256", kid: undefined, secret: pem(rsa.publicKey) }, options), unfit(/PEM, not a secret/));
});

test("loadKey() refuses private keys and text that is no key, without showing it", async () => {
  const text = rsa.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  await assert.rejects(loadKey({ algorithm: "RS256", kid: undefined, publicKey: text }, options), unfit(/^[^\n]*private key[^\n]*$/));
  await assert.rejects(loadKey({ algorithm: "RS256", kid: undefined, publicKey: "hunter2" }, options), (error) => error instanceof Error && /not a public key/.test(error.message) && !error.message.includes("hunter2"));
});

test("openSigningKey() refuses a key file that is too short, and has none for false", async (t) => {
  const home = await mkdtemp(join(tmpdir(), "busbar-keys-"));
  t.after(() => rm(home, { recursive: true }));
  await writeFile(join(home, "short"), "x".repeat(31) + "\n", { mode: 0o600 });
  await writeFile(join(home, "empty"), "", { mode: 0o600 });
  await assert.rejects(openSigningKey(join(home, "short")), unfit(/31 bytes/));
  await assert.rejects(openSigningKey(join(home, "empty")), unfit(/0 bytes/));
  assert.equal(await openSigningKey(false), undefined);
});
