import assert from "node:assert/strict";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { createLog, MetricsRegistry, type LogRecord } from "@busbar/core";
import { fakeClock, until } from "@busbar/core/testkit";
import * as v from "valibot";
import { configSchema } from "./config-schema.ts";
import { edSigned, forgeToken, hmac, signed, type Signer } from "./forged-token.ts";
import { openKeySet, type KeySetChange } from "./key-set.ts";
import type { Refusal } from "./refusal.ts";
import { startKeyServer, type KeyAnswer, type KeyServer } from "./testing/key-server.ts";
import { verifyToken } from "./verify-token.ts";

const ed = generateKeyPairSync("ed25519");
const otherEd = generateKeyPairSync("ed25519");
const ec = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
const p384 = generateKeyPairSync("ec", { namedCurve: "secp384r1" });
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const weak = generateKeyPairSync("rsa", { modulusLength: 1024 });
const jwk = (key: KeyObject, more: object = {}): object => ({ ...key.export({ format: "jwk" }), ...more });

/** A key set from a real server, and a check of tokens against it alone. */
async function published(t: TestContext, keys: readonly object[], config: object = {}) {
  const server = await startKeyServer({ keys });
  t.after(() => server.close());
  return await watched(t, server, { url: server.url, ...config });
}

async function watched(t: TestContext, server: KeyServer, config: object, path: (file: string) => string = (file) => file) {
  const clock = fakeClock();
  const metrics = new MetricsRegistry();
  const lines: LogRecord[] = [];
  const changes: KeySetChange[] = [];
  const [entry] = v.parse(configSchema, { jwks: [config] }).jwks;
  const set = await openKeySet(entry!, { clock, metrics, path, log: createLog({ clock, write: (record) => lines.push(record) }), changed: (change) => changes.push(change) });
  t.after(() => set.close());
  const claims = (more: object = {}): object => ({ aud: "busbar", sub: "home-7", roles: ["device"], exp: clock.now() / 1000 + 3600, ...more });
  const check = (token: string) => verifyToken(token, { keys: [], sets: [set], clock, tolerance: 5000 });
  const token = (header: object, signer: Signer, more: object = {}): string => forgeToken(header, claims(more), signer);
  return { check, token, set, clock, server, lines, changes, metrics, said: (text: RegExp) => lines.some(({ message, fields }) => text.test(`${message} ${JSON.stringify(fields)}`)) };
}

test("a token of a key in the set is taken: Ed25519, P-256, RSA, each for its own algorithm", async (t) => {
  const { check, token, set } = await published(t, [jwk(ed.publicKey, { kid: "ed" }), jwk(ec.publicKey, { kid: "ec", alg: "ES256", use: "sig" }), jwk(rsa.publicKey, { kid: "rsa", key_ops: ["verify"] })]);
  for (const [alg, kid, signer] of [["EdDSA", "ed", edSigned(ed.privateKey)], ["ES256", "ec", signed(ec.privateKey)], ["RS256", "rsa", signed(rsa.privateKey)], ["EdDSA", undefined, edSigned(ed.privateKey)]] as const) {
    const identity = await check(token({ alg, kid }, signer, { jti: "t-1", user: true }));
    assert.deepEqual([identity.id, identity.roles, identity.credential, identity.user], ["home-7", ["device"], "t-1", true], alg);
    assert.equal(set.counts(identity.voucher!), true);
  }
  assert.equal(set.counts("key abc"), undefined);
});

/** What must not count although a key of the set, or one that looks like it, has signed it. */
const refusals: readonly (readonly [string, Refusal["reason"], (site: { token(header: object, signer: Signer, more?: object): string }) => string])[] = [
  ["a foreign key under a known kid", "signature", ({ token }) => token({ alg: "EdDSA", kid: "ed" }, edSigned(otherEd.privateKey))],
  ["an EdDSA token with the RSA key's kid", "algorithm", ({ token }) => token({ alg: "EdDSA", kid: "rsa" }, edSigned(ed.privateKey))],
  ["HS256 with the public key as secret", "algorithm", ({ token }) => token({ alg: "HS256", kid: "ed" }, hmac(ed.publicKey.export({ type: "spki", format: "pem" }).toString()))],
  ["alg none", "algorithm", ({ token }) => token({ alg: "none", kid: "ed" }, () => new Uint8Array(0))],
  ["another audience", "audience", ({ token }) => token({ alg: "EdDSA", kid: "ed" }, edSigned(ed.privateKey), { aud: "other" })],
  ["an expired token", "expired", ({ token }) => token({ alg: "EdDSA", kid: "ed" }, edSigned(ed.privateKey), { exp: 1 })],
  ["a token that is not valid yet", "not-active", ({ token }) => token({ alg: "EdDSA", kid: "ed" }, edSigned(ed.privateKey), { nbf: 4_000_000_000 })],
  ["a token without exp", "claims", ({ token }) => token({ alg: "EdDSA", kid: "ed" }, edSigned(ed.privateKey), { exp: undefined })],
  ["a reserved id", "claims", ({ token }) => token({ alg: "EdDSA", kid: "ed" }, edSigned(ed.privateKey), { sub: "server" })],
  ["a key that the token brings along", "signature", ({ token }) => token({ alg: "EdDSA", kid: "ed", jwk: jwk(otherEd.publicKey) }, edSigned(otherEd.privateKey))],
];

for (const [name, reason, make] of refusals) {
  test(`a key set refuses ${name}`, async (t) => {
    const site = await published(t, [jwk(ed.publicKey, { kid: "ed" }), jwk(rsa.publicKey, { kid: "rsa" })]);
    await assert.rejects(site.check(make(site)), { reason });
  });
}

test("a token of another issuer is refused, and does not make the set be fetched", async (t) => {
  const { check, token, server } = await published(t, [jwk(ed.publicKey, { kid: "ed" })], { issuer: "https://idp.example", audience: "plant" });
  const signer = edSigned(ed.privateKey);
  assert.equal((await check(token({ alg: "EdDSA" }, signer, { iss: "https://idp.example", aud: ["plant"] }))).id, "home-7");
  await assert.rejects(check(token({ alg: "EdDSA" }, signer, { iss: "https://idp.example" })), { reason: "audience" });
  for (const iss of ["https://idp.example/", undefined, ["https://idp.example"]]) await assert.rejects(check(token({ alg: "EdDSA", kid: "new" }, signer, { iss, aud: "plant" })), { reason: "algorithm" });
  assert.equal(server.asked, 1);
});

test("keys that could not be trusted are left out, each with its reason in the log", async (t) => {
  const keys = [
    { kty: "oct", k: Buffer.from("0123456789abcdef0123456789abcdef").toString("base64url"), alg: "HS256", kid: "oct" },
    jwk(otherEd.privateKey, { kid: "private" }),
    jwk(weak.publicKey, { kid: "weak" }),
    jwk(p384.publicKey, { kid: "p384" }),
    jwk(rsa.publicKey, { kid: "ps256", alg: "PS256" }),
    jwk(rsa.publicKey, { kid: "confused", alg: "HS256" }),
    jwk(ec.publicKey, { kid: "enc", use: "enc" }),
    jwk(ec.publicKey, { kid: "ops", key_ops: ["encrypt"] }),
    { kty: "OKP", crv: "Ed25519", x: "AA", kid: "torn" },
    [],
    jwk(ec.publicKey, { kid: "other-algorithm" }),
    jwk(ed.publicKey, { kid: "good" }),
  ];
  const { check, token, changes, lines } = await published(t, keys, { algorithms: ["EdDSA", "RS256"] });
  assert.deepEqual(changes.map(({ added }) => added.map((label) => label.split(" ")[0])), [["good"]]);
  const reasons = String(lines.find(({ message }) => message === "Keys of a key set are left out")?.fields["reasons"]);
  for (const part of ['"oct": it is symmetric', '"private": it is a private key', '"weak": it has 1024 bits', '"p384"', 'says that it is for "PS256"', 'says that it is for "HS256"', '"enc": it is not for signatures', '"ops": it is not for checking', '"torn": it is not a key']) assert.ok(reasons.includes(part), `${part} in ${reasons}`);
  await assert.rejects(check(token({ alg: "HS256", kid: "oct" }, hmac("0123456789abcdef0123456789abcdef"))), { reason: "algorithm" });
  await assert.rejects(check(token({ alg: "EdDSA", kid: "private" }, edSigned(otherEd.privateKey))), { reason: "algorithm" });
  await assert.rejects(check(token({ alg: "ES256", kid: "other-algorithm" }, signed(ec.privateKey))), { reason: "algorithm" });
});

test("rotation: a new key counts at the next refresh, one that is gone does not count any more", async (t) => {
  const { check, token, set, clock, server, changes } = await published(t, [jwk(ed.publicKey, { kid: "old" })]);
  const { voucher } = await check(token({ alg: "EdDSA", kid: "old" }, edSigned(ed.privateKey)));
  server.answer({ keys: [jwk(otherEd.publicKey, { kid: "new" })] });
  await clock.advance(25_000);
  await until("the key is gone", () => set.counts(voucher!) === false);
  assert.deepEqual(changes.map(({ added, removed }) => [added.length, removed.length]), [[1, 0], [1, 1]]);
  await assert.rejects(check(token({ alg: "EdDSA", kid: "old" }, edSigned(ed.privateKey))), { reason: "algorithm" });
  assert.equal((await check(token({ alg: "EdDSA", kid: "new" }, edSigned(otherEd.privateKey)))).id, "home-7");
});

test("an unknown kid fetches the set at once, and a flood of them only once in the cooldown", async (t) => {
  const { check, token, clock, server } = await published(t, [jwk(ed.publicKey, { kid: "old" })], { refresh: "1d" });
  server.answer({ keys: [jwk(ed.publicKey, { kid: "old" }), jwk(otherEd.publicKey, { kid: "new" })] });
  assert.equal((await check(token({ alg: "EdDSA", kid: "new" }, edSigned(otherEd.privateKey)))).id, "home-7");
  assert.equal(server.asked, 2);
  const flood = Array.from({ length: 500 }, (_, at) => check(token({ alg: "EdDSA", kid: `guess-${at}` }, edSigned(otherEd.privateKey))));
  for (const outcome of await Promise.allSettled(flood)) assert.equal(outcome.status, "rejected");
  assert.equal(server.asked, 2);
  await clock.advance(30_000);
  await Promise.allSettled(Array.from({ length: 500 }, (_, at) => check(token({ alg: "EdDSA", kid: `guess-${at}` }, edSigned(otherEd.privateKey)))));
  assert.equal(server.asked, 3);
});

test("a set that is the same is not sent again (ETag), and stays", async (t) => {
  const body = JSON.stringify({ keys: [jwk(ed.publicKey)] });
  const server = await startKeyServer({ headers: { etag: '"7"' }, body });
  t.after(() => server.close());
  const { check, token, clock } = await watched(t, server, { url: server.url });
  server.answer({ status: 304 });
  await clock.advance(25_000);
  await until("it was asked again", () => server.asked === 2);
  assert.equal(server.headers["if-none-match"], '"7"');
  assert.equal((await check(token({ alg: "EdDSA" }, edSigned(ed.privateKey)))).id, "home-7");
});

/** What a server may answer that leaves the keys as they were, and what the log says. */
const failures: readonly (readonly [string, KeyAnswer, RegExp])[] = [
  ["a redirect to another host", { status: 302, headers: { location: "http://127.0.0.1:1/evil" } }, /redirect, which is not followed/],
  ["more bytes than allowed", { body: JSON.stringify({ keys: [], more: "x".repeat(70_000) }) }, /more than 65536 bytes/],
  ["65 keys", { body: JSON.stringify({ keys: Array(65).fill({}) }) }, /65 keys, 64 are allowed/],
  ["no JSON", { body: "<html>" }, /not JSON/],
  ["no list", { body: '{"keys":{}}' }, /has no list/],
  ["an error", { status: 500 }, /answers 500/],
];

for (const [name, answer, said] of failures) {
  test(`a server that answers with ${name} leaves the keys as they were`, async (t) => {
    const site = await published(t, [jwk(ed.publicKey)]);
    site.server.answer(answer);
    await site.clock.advance(25_000);
    await until("the log says so", () => site.said(said), { show: () => site.lines });
    assert.equal((await site.check(site.token({ alg: "EdDSA" }, edSigned(ed.privateKey)))).id, "home-7");
    assert.match(site.metrics.format(), /busbar_auth_key_set_failures_total 1\n/);
  });
}

test("a server that says nothing is given up after the timeout", async (t) => {
  const site = await published(t, [jwk(ed.publicKey)]);
  site.server.answer({ silent: true });
  await site.clock.advance(25_000);
  await until("it was asked", () => site.server.asked === 2);
  await site.clock.advance(3000);
  await until("it is given up", () => site.said(/more than 3000 ms/));
});

test("a server that is gone leaves the keys as they were for `keep`, and no longer", async (t) => {
  const site = await published(t, [jwk(ed.publicKey)], { keep: "60s" });
  const { voucher } = await site.check(site.token({ alg: "EdDSA" }, edSigned(ed.privateKey)));
  await site.server.close();
  for (let turn = 1; turn <= 2; turn++) {
    await site.clock.advance(25_000);
    await until("it failed", () => site.metrics.format().includes(`busbar_auth_key_set_failures_total ${turn}\n`));
    assert.equal(site.set.counts(voucher!), true);
  }
  await site.clock.advance(25_000);
  await until("the keys count no more", () => site.set.counts(voucher!) === false);
  await assert.rejects(site.check(site.token({ alg: "EdDSA" }, edSigned(ed.privateKey))), { reason: "algorithm" });
});

test("a server that is not there at the start does not keep the gateway from starting, and is believed when it comes", async (t) => {
  const server = await startKeyServer({ keys: [jwk(ed.publicKey)] });
  t.after(() => server.close());
  const before = await watched(t, server, { url: server.url });
  const { voucher = "" } = await before.check(before.token({ alg: "EdDSA" }, edSigned(ed.privateKey)));
  server.answer({ status: 503 });
  const { check, token, set, clock } = await watched(t, server, { url: server.url });
  assert.equal(set.counts(voucher), true, "nobody knows yet");
  const bounded = await watched(t, server, { url: server.url, roles: ["device"] });
  assert.equal(bounded.set.counts(voucher), undefined, "another trust is another set");
  await assert.rejects(check(token({ alg: "EdDSA" }, edSigned(ed.privateKey))), { reason: "algorithm" });
  server.answer({ keys: [jwk(ed.publicKey)] });
  await clock.advance(30_000);
  await until("the key is there", () => check(token({ alg: "EdDSA" }, edSigned(ed.privateKey))).then(() => true, () => false));
  assert.deepEqual([set.counts(voucher), set.counts(`${voucher}x`)], [true, false]);
});

test("a set from a file is read at the start and when it changes, and must be there", async (t) => {
  const home = await mkdtemp(join(tmpdir(), "busbar-jwks-"));
  t.after(() => rm(home, { recursive: true }));
  const path = (file: string): string => join(home, file);
  const idle = await startKeyServer();
  t.after(() => idle.close());
  await assert.rejects(watched(t, idle, { file: "keys.json" }, path), { code: "IO", message: /ENOENT/ });
  await writeFile(path("keys.json"), JSON.stringify({ keys: [jwk(ed.publicKey)] }));
  const { check, token, clock, set } = await watched(t, idle, { file: "keys.json", refresh: "1s" }, path);
  const { voucher } = await check(token({ alg: "EdDSA" }, edSigned(ed.privateKey)));
  await writeFile(path("keys.json"), JSON.stringify({ keys: [jwk(otherEd.publicKey)] }));
  await until("the key is gone", () => set.counts(voucher!) === false, { turn: () => clock.advance(1000) });
});

test("roles and within bound what a key of the set may say", async (t) => {
  const { check, token } = await published(t, [jwk(ed.publicKey)], { roles: ["device"], within: "home-7" });
  const signer = edSigned(ed.privateKey);
  assert.deepEqual(await check(token({ alg: "EdDSA" }, signer, { sub: "home-7/lamp", roles: ["device", "admin"] })).then(({ id, roles, excess }) => [id, roles, excess]), ["home-7/lamp", ["device"], ["admin"]]);
  for (const sub of ["home-70", "home", "home-8/lamp"]) await assert.rejects(check(token({ alg: "EdDSA" }, signer, { sub })), { reason: "trust" }, sub);
});

test("KeySet.close() leaves no timer behind", async (t) => {
  const { clock, set } = await published(t, []);
  assert.equal(clock.timers, 1);
  set.close();
  assert.equal(clock.timers, 0);
});
