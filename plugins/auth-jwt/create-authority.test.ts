import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { createLog, formatLogJson, MetricsRegistry } from "@busbar/core";
import { fakeClock } from "@busbar/core/testkit";
import * as v from "valibot";
import { configSchema } from "./config-schema.ts";
import { createAuthority } from "./create-authority.ts";
import { forgeToken, hmac, signed } from "./forged-token.ts";
import { issueToken } from "./issue-token.ts";
import { hashSecret } from "./secret-hash.ts";

const remote = "192.0.2.1:5000";
const roles = { admin: { publish: ["#"], subscribe: ["#"] }, device: { publish: ["status/{id}/#"], subscribe: ["command/group/{group}"] } };

/** A real authority in a folder of its own. */
async function site(t: TestContext, config: Readonly<Record<string, unknown>> = {}) {
  const home = await mkdtemp(join(tmpdir(), "busbar-authority-"));
  t.after(() => rm(home, { recursive: true }));
  const clock = fakeClock();
  const metrics = new MetricsRegistry();
  const lines: string[] = [];
  const log = createLog({ clock, level: "debug", write: (record) => lines.push(formatLogJson(record)) });
  const path = (file: string): string => join(home, file);
  const parsed = v.parse(configSchema, { roles, ...config });
  if (parsed.revocationsFile !== undefined) await writeFile(path(parsed.revocationsFile), "");
  const authority = await createAuthority(parsed, { clock, log, metrics, path });
  t.after(() => authority.close());
  const login = (token: string, id?: string) => authority.authenticate({ kind: "token", token, id }, { remote, transport: "tcp" });
  return { authority, clock, config: parsed, home, lines, login, metrics, path };
}

test("authenticate() takes the authority's own token and gives what it says", async (t) => {
  const { authority, clock, login } = await site(t, { groups: { hall: ["home-7/#"] } });
  const token = await authority.issue({ id: "home-7", roles: ["device"], ttl: 60 });
  const principal = await login(token, "home-7");
  assert.deepEqual({ ...principal, credential: typeof principal.credential, voucher: typeof principal.voucher }, { voucher: "string", id: "home-7", roles: ["device"], groups: ["hall"], expires: clock.now() + 60_000, credential: "string" });
  assert.equal(authority.can(principal, "publish", "status/home-7/lamp"), true);
  assert.equal(authority.can(principal, "publish", "status/home-70"), false);
  assert.equal(authority.can(principal, "subscribe", "command/group/hall"), true);
  assert.equal(authority.can(principal, "subscribe", "#"), false);
});

test("authenticate() gives the narrower id when the peer claims one below the token's", async (t) => {
  const { authority, login } = await site(t);
  const token = await authority.issue({ id: "home-7", roles: ["device"], ttl: 60 });
  const lamp = await login(token, "home-7/lamp");
  assert.equal(lamp.id, "home-7/lamp");
  assert.equal(authority.can(lamp, "publish", "status/home-7/lamp"), true);
  assert.equal(authority.can(lamp, "publish", "status/home-7"), false);
  assert.equal((await login(token)).id, "home-7");
  assert.equal((await login(token, "home-7")).id, "home-7");
});

test("authenticate() refuses a claimed id that the token does not speak for, also after it was seen with a right one", async (t) => {
  const { authority, login } = await site(t);
  const token = await authority.issue({ id: "home-7", roles: ["device"], ttl: 60 });
  await login(token, "home-7");
  for (const claimed of ["home-70", "home", "home-8", "", "home-7/", "home-7/..", "home-7/+", "HOME-7", "server"]) {
    await assert.rejects(login(token, claimed), { code: "UNAUTHENTICATED", reason: "id" }, claimed);
  }
});

test("authenticate() answers a token seen before from its cache until it expires", async (t) => {
  const { authority, clock, login, metrics } = await site(t);
  const token = await authority.issue({ id: "home-7", roles: ["device"], ttl: 60 });
  const first = await login(token, "home-7");
  assert.equal(await login(token, "home-7"), first);
  assert.match(metrics.format(), /busbar_auth_cache_hits_total 1\n/);
  await clock.advance(59_999);
  assert.equal(authority.stands(first), true);
  assert.equal(await login(token, "home-7"), first);
  await clock.advance(1);
  assert.equal(authority.stands(first), false);
  await assert.rejects(login(token, "home-7"), { reason: "expired" });
  assert.match(metrics.format(), /busbar_auth_cache_hits_total 2\n/);
});

test("authenticate() checks anew when the cache is off", async (t) => {
  const { authority, login, metrics } = await site(t, { cacheSize: 0 });
  const token = await authority.issue({ id: "home-7", roles: [], ttl: 60 });
  assert.notEqual(await login(token), await login(token));
  assert.match(metrics.format(), /busbar_auth_cache_hits_total 0\n/);
});

test("authenticate() takes a token of a key in the config, and none of another", async (t) => {
  const idp = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const foreign = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const publicKey = idp.publicKey.export({ type: "spki", format: "pem" }).toString();
  const { authority, clock, login } = await site(t, { keyFile: false, keys: [{ algorithm: "ES256", kid: "idp", publicKey }] });
  const claims = { aud: "busbar", sub: "plc-101", roles: ["admin"], exp: clock.now() / 1000 + 60 };
  assert.equal((await login(forgeToken({ alg: "ES256", kid: "idp" }, claims, signed(idp.privateKey)))).id, "plc-101");
  await assert.rejects(login(forgeToken({ alg: "ES256", kid: "idp" }, claims, signed(foreign.privateKey))), { reason: "signature" });
  await assert.rejects(login(forgeToken({ alg: "HS256" }, claims, hmac(publicKey))), { reason: "algorithm" });
  await assert.rejects(authority.issue({ id: "plc-101", roles: [], ttl: 60 }), { code: "FORBIDDEN" });
});

test("authenticate() takes a device's secret, remembers it by its hash, and slows guessing down", async (t) => {
  const { authority, clock, login, metrics } = await site(t, { devices: { lamp: { secret: await hashSecret("lamp-secret"), roles: ["device"], groups: ["hall"] } } });
  const lamp = await login("lamp-secret", "lamp");
  assert.deepEqual({ ...lamp, voucher: "" }, { id: "lamp", roles: ["device"], groups: ["hall"], ownGroups: ["hall"], voucher: "" });
  assert.equal(authority.stands(lamp), true);
  assert.equal(await login("lamp-secret", "lamp"), lamp);
  assert.match(metrics.format(), /busbar_auth_cache_hits_total 1\n/);
  for (let at = 0; at < 3; at++) await assert.rejects(login("wrong-secret", "lamp"), { reason: "secret" });
  // Not even the right one, which the cache knows: else guesses could be tried against the cache without a pause.
  await assert.rejects(login("lamp-secret", "lamp"), { reason: "throttled" });
  await clock.advance(500);
  assert.equal((await login("lamp-secret", "lamp")).id, "lamp");
  await assert.rejects(login("lamp-secret"), { reason: "malformed" });
});

test("authenticate() maps certificates and lets one be revoked by its fingerprint", async (t) => {
  const { authority } = await site(t, { certificates: { "plc.example.org": { id: "plc-101", roles: ["device"] } }, revoked: ["11:22"] });
  const login = (fingerprint: string) => authority.authenticate({ kind: "certificate", names: ["plc.example.org"], fingerprint }, { remote, transport: "tcp" });
  assert.deepEqual(await login("33:44"), { id: "plc-101", roles: ["device"], groups: [], credential: "33:44", voucher: 'certificate ["plc.example.org","plc-101"]' });
  await assert.rejects(login("11:22"), { reason: "revoked" });
});

test("authenticate() refuses revoked tokens and ids, also those it has in its cache, and tells who listens", async (t) => {
  const { authority, clock, login, path } = await site(t, { revocationsFile: "revoked.txt" });
  const lamp = await login(await authority.issue({ id: "home-7", roles: ["device"], ttl: 600 }), "home-7/lamp");
  const fanToken = await authority.issue({ id: "fan", roles: ["device"], ttl: 600 });
  const fan = await login(fanToken);
  const changed = Promise.withResolvers<void>();
  authority.onChange(() => {
    throw new Error("a listener that fails");
  });
  const stop = authority.onChange(() => assert.fail("it has stopped listening"));
  authority.onChange(() => changed.resolve());
  stop();
  await writeFile(path("revoked.txt"), `home-7\n${fan.credential}\n`);
  await clock.advance(5000);
  await changed.promise;
  assert.deepEqual([authority.stands(lamp), authority.stands(fan)], [false, false]);
  await assert.rejects(login(fanToken), { reason: "revoked" });
  assert.equal((await login(await authority.issue({ id: "fan", roles: ["device"], ttl: 600 }))).id, "fan");
});

test("authenticate() logs and counts each refusal by reason and never shows the token", async (t) => {
  const { authority, clock, lines, login, metrics } = await site(t, { devices: { lamp: { secret: await hashSecret("lamp-secret") } } });
  const token = await authority.issue({ id: "home-7", roles: [], ttl: 60 });
  const spoilt = token.slice(0, -8) + "AAAAAAAA";
  const errors: string[] = [];
  for (const [shown, id] of [[spoilt, "home-7"], [token, "home-8"], ["guess-guess", "lamp"], ["nonsense-secret", "evil\nid"]] as const) {
    await login(shown, id).catch((error: unknown) => errors.push(String(error)));
    await clock.advance(1000); // the log writes the same message once a second
  }
  await login(token);
  assert.equal(errors.length, 4);
  for (const text of [...lines, ...errors]) for (const part of [...token.split("."), ...spoilt.split("."), "guess-guess", "nonsense-secret", "lamp-secret"]) assert.ok(!text.includes(part), text);
  const refusals = lines.map((line) => JSON.parse(line) as Record<string, unknown>).filter(({ message }) => message === "Refused a login");
  assert.deepEqual(refusals.map((line) => [line["level"], line["remote"], line["id"], line["reason"]]), [
    ["warn", remote, "home-7", "signature"],
    ["warn", remote, "home-8", "id"],
    ["warn", remote, "lamp", "secret"],
    ["warn", remote, "no id", "id"],
  ]);
  const text = metrics.format();
  for (const line of ['busbar_auth_failures_total{reason="signature"} 1', 'busbar_auth_failures_total{reason="id"} 2', 'busbar_auth_failures_total{reason="secret"} 1', 'busbar_auth_logins_total{kind="token"} 1']) assert.ok(text.includes(line), line);
});

test("authenticate() ends with the signal's reason when it aborts before the check began", async (t) => {
  const { authority } = await site(t, { devices: { lamp: { secret: await hashSecret("lamp-secret") } } });
  const gone = AbortSignal.abort(new Error("the peer is gone"));
  await assert.rejects(authority.authenticate({ kind: "token", token: "lamp-secret", id: "lamp" }, { remote, transport: "tcp", signal: gone }), /the peer is gone/);
});

test("issue() makes a token with the claims of WIRE §6, each with a jti of its own", async (t) => {
  const { authority, clock } = await site(t);
  const claims = (token: string): Record<string, unknown> => JSON.parse(Buffer.from(token.split(".")[1]!, "base64url").toString()) as Record<string, unknown>;
  const one = claims(await authority.issue({ id: "home-7", roles: ["device", "admin"], ttl: 60 }));
  const { jti, ...rest } = one;
  assert.match(String(jti), /^[\da-f-]{36}$/);
  assert.deepEqual(rest, { aud: "busbar", sub: "home-7", roles: ["device", "admin"], iat: clock.now() / 1000, exp: clock.now() / 1000 + 60 });
  assert.notEqual(claims(await authority.issue({ id: "home-7", roles: [], ttl: 60 }))["jti"], jti);
});

test("issue() refuses ids nobody may have, unknown roles and lives that are none", async (t) => {
  const { authority } = await site(t);
  const good = { id: "home-7", roles: ["device"], ttl: 60 };
  for (const bad of [{ id: "server" }, { id: "group/a" }, { id: "+" }, { roles: ["root"] }, { roles: ["constructor"] }, { ttl: 0 }, { ttl: 1.5 }, { ttl: Infinity }, { ttl: Number.NaN }, { ttl: 315_360_001 }]) {
    await assert.rejects(authority.issue({ ...good, ...bad }), RangeError, JSON.stringify(bad));
  }
  await assert.rejects(authority.issue({ ...good, roles: ["root"] }), /no role "root"; there are admin, device/);
});

test("issueToken() makes a token without a gateway that the gateway then takes, whichever comes first", async (t) => {
  const home = await mkdtemp(join(tmpdir(), "busbar-issue-"));
  t.after(() => rm(home, { recursive: true }));
  const config = v.parse(configSchema, { roles });
  const path = (file: string): string => join(home, file);
  const clock = fakeClock();
  const early = await issueToken(config, { id: "home-7", roles: ["device"], ttl: 60 }, { now: clock.now(), path });
  const log = createLog({ clock, write: () => {} });
  const authority = await createAuthority(config, { clock, log, metrics: new MetricsRegistry(), path });
  const late = await issueToken(config, { id: "home-8", roles: [], ttl: 60 }, { now: clock.now(), path });
  for (const [token, id] of [[early, "home-7"], [late, "home-8"]] as const) assert.equal((await authority.authenticate({ kind: "token", token }, { remote, transport: "tcp" })).id, id);
  await assert.rejects(issueToken({ ...config, keyFile: false }, { id: "home-7", roles: [], ttl: 60 }, { path }), { code: "FORBIDDEN" });
});

test("createAuthority() refuses to start with a key that is too weak, and leaves no timer", async (t) => {
  const { clock, path } = await site(t);
  const log = createLog({ clock, write: () => {} });
  for (const keys of [[{ algorithm: "HS256", secret: "short" }], [{ algorithm: "RS256", publicKey: "none" }]]) {
    await assert.rejects(createAuthority(v.parse(configSchema, { keys }), { clock, log, metrics: new MetricsRegistry(), path }), { code: "CONFIG", message: /keys\[0\]/ });
  }
  assert.equal(clock.timers, 0);
});

test("createAuthority() says that it made a key, never which", async (t) => {
  const { lines, path } = await site(t);
  const key = (await readFile(path("data/signing.key"), "utf8")).trim();
  assert.ok(lines.some((line) => line.includes("Made a signing key")));
  assert.ok(!lines.join().includes(key));
});
