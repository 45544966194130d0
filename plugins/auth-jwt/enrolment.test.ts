import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { createLog, formatLogJson, MetricsRegistry, type Audit, type DeviceCredential } from "@busbar/core";
import { fakeClock, until } from "@busbar/core/testkit";
import * as v from "valibot";
import { createCertificateAuthority } from "./certificate-authority.ts";
import { configSchema } from "./config-schema.ts";
import { createAuthority } from "./create-authority.ts";
import { makeRequest } from "./testing/make-request.ts";

const at = { remote: "192.0.2.1:5000", transport: "http" };
const roles = { admin: { publish: ["#"], subscribe: ["#"] }, device: { publish: ["status/{id}/#"] } };
const by = "operator";
const invalid = { code: "UNAUTHENTICATED", message: "Cannot authenticate: the enrolment token is not valid" };

/** Opens authorities one after the other in the same folder, with a certificate authority. */
async function folder(t: TestContext) {
  const home = await mkdtemp(join(tmpdir(), "busbar-enrol-"));
  t.after(() => rm(home, { recursive: true }));
  const clock = fakeClock();
  const ca = await createCertificateAuthority({ name: "Site", days: 3650, now: clock.now() });
  await writeFile(join(home, "ca.crt"), ca.certificate);
  await writeFile(join(home, "ca.key"), ca.key.export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "open sesame" }), { mode: 0o600 });
  const lines: string[] = [];
  const entries: (readonly [string, Readonly<Record<string, unknown>>])[] = [];
  const audit: Audit = { write: (action, fields) => void entries.push([action, fields]) };
  const open = async (config: object = {}) => {
    const enrolment = { ca: { certFile: "ca.crt", keyFile: "ca.key", passphrase: "open sesame" } };
    const authority = await createAuthority(v.parse(configSchema, { roles, enrolment, ...config }), { clock, metrics: new MetricsRegistry(), audit, log: createLog({ clock, write: (record) => lines.push(formatLogJson(record)) }), path: (file) => join(home, file) });
    t.after(() => authority.close());
    const login = (secret: string, id: string) => authority.authenticate({ kind: "token", token: secret, id }, at);
    const present = (pem: string) => {
      const { subject, fingerprint256 } = new X509Certificate(pem);
      return authority.authenticate({ kind: "certificate", names: [subject.replace("CN=", "")], fingerprint: fingerprint256 }, at);
    };
    const offer = async (more: object = {}): Promise<string> => (await authority.enrol({ id: "home-7", roles: ["device"], by, ...more })).token;
    return { authority, login, present, offer };
  };
  return { open, clock, home, lines, entries };
}

const secretOf = (credential: DeviceCredential): string => ("secret" in credential ? credential.secret : assert.fail("it is no secret"));
const certificateOf = (credential: DeviceCredential): string => ("certificate" in credential ? credential.certificate : assert.fail("it is no certificate"));

test("redeem() trades a one-time token for a secret that works, also after a restart", async (t) => {
  const { open, home, lines, entries } = await folder(t);
  const first = await open();
  const token = await first.offer({ groups: ["hall"] });
  assert.deepEqual(first.authority.enrolments().map(({ id, by: maker }) => [id, maker]), [["home-7", by]]);
  const secret = secretOf(await first.authority.redeem({ token, id: "home-7" }, at));
  assert.deepEqual(first.authority.enrolments(), []);
  const principal = await first.login(secret, "home-7");
  assert.deepEqual([principal.id, principal.roles, principal.groups], ["home-7", ["device"], ["hall"]]);
  await first.authority.close();
  const second = await open();
  assert.equal((await second.login(secret, "home-7")).id, "home-7");
  assert.equal(second.authority.stands(principal), true);
  await assert.rejects(second.login(`${secret}x`, "home-7"), { reason: "secret" });
  await assert.rejects(second.authority.redeem({ token }, at), invalid);
  const kept = await readFile(join(home, "data/identities.jsonl"), "utf8");
  for (const text of [kept, ...lines, JSON.stringify(entries)]) for (const hidden of [secret, token]) assert.ok(!text.includes(hidden));
  assert.deepEqual(entries.map(([action]) => action), ["key-created", "enrolment-issued", "enrolled", "enrolment-refused"]);
});

test("redeem() lets one of two in who come at the same moment", async (t) => {
  const { open } = await folder(t);
  const { authority, offer } = await open();
  const token = await offer();
  const outcomes = await Promise.allSettled(Array.from({ length: 5 }, () => authority.redeem({ token }, at)));
  assert.equal(outcomes.filter(({ status }) => status === "fulfilled").length, 1);
  for (const outcome of outcomes) if (outcome.status === "rejected") assert.ok(/is not valid|attempts failed/.test(String(outcome.reason)), String(outcome.reason));
});

test("redeem() answers every token that is none in the same words", async (t) => {
  const { open, clock } = await folder(t);
  const { authority, offer } = await open();
  const pause = (): Promise<void> => clock.advance(60_000);
  const token = await offer();
  for (const claim of [{ token: "enrol-guess" }, { token: "" }, { token, id: "home-8" }, { token: `${token}x` }]) {
    await assert.rejects(authority.redeem(claim, at), invalid, JSON.stringify(claim));
    await pause();
  }
  const replacement = await offer({ ttl: 3600 });
  await assert.rejects(authority.redeem({ token }, at), invalid, "replaced");
  await clock.advance(3_600_000);
  await assert.rejects(authority.redeem({ token: replacement }, at), invalid, "expired");
  assert.deepEqual(authority.enrolments(), []);
});

test("redeem() slows down whoever guesses, and nobody else", async (t) => {
  const { open, clock } = await folder(t);
  const { authority, offer } = await open();
  const token = await offer();
  for (let guess = 0; guess < 3; guess++) await assert.rejects(authority.redeem({ token: `guess-${guess}` }, at), invalid);
  await assert.rejects(authority.redeem({ token }, at), { reason: "throttled" });
  assert.equal((await authority.redeem({ token }, { ...at, remote: "192.0.2.2:5000" })).id, "home-7");
  await clock.advance(30_000);
});

test("redeem() signs a certificate for the device's own key, with nothing of what the request asks for besides", async (t) => {
  const { open, clock } = await folder(t);
  const { authority, present, offer } = await open();
  const { csr } = await makeRequest("home-7", { greedy: true });
  const credential = await authority.redeem({ token: await offer(), csr }, at);
  const certificate = new X509Certificate(certificateOf(credential));
  assert.deepEqual([certificate.subject, certificate.ca, certificate.subjectAltName], ["CN=home-7", false, undefined]);
  assert.equal("expires" in credential && Math.round((credential.expires - clock.now()) / 86_400_000), 365);
  const principal = await present(certificateOf(credential));
  assert.deepEqual([principal.id, principal.roles, principal.credential], ["home-7", ["device"], certificate.fingerprint256]);
});

test("redeem() refuses a request that it cannot sign, and the token stays good", async (t) => {
  const { open } = await folder(t);
  const { authority, offer } = await open();
  const token = await offer();
  for (const [name, options] of [["home-8", {}], ["home-7", { rsa: 1024 }], ["home-7", { broken: true }]] as const) await assert.rejects(authority.redeem({ token, csr: (await makeRequest(name, options)).csr }, at), RangeError);
  assert.equal((await authority.redeem({ token, csr: (await makeRequest("home-7")).csr }, at)).id, "home-7");
  const without = await open({ enrolment: {} });
  await assert.rejects(without.authority.redeem({ token: await without.offer(), csr: (await makeRequest("home-7")).csr }, at), /no certificate authority/);
});

test("a device that enrols anew has what it had before no more, a certificate not even by its CN", async (t) => {
  const { open } = await folder(t);
  const config = { certificateId: "cn", certificateRoles: ["device"] };
  const { authority, login, present, offer } = await open(config);
  const secret = secretOf(await authority.redeem({ token: await offer() }, at));
  const bySecret = await login(secret, "home-7");
  const pem = certificateOf(await authority.redeem({ token: await offer(), csr: (await makeRequest("home-7")).csr }, at));
  const byCertificate = await present(pem);
  assert.deepEqual([bySecret, byCertificate].map((one) => authority.stands(one)), [false, true]);
  await assert.rejects(login(secret, "home-7"), { reason: "secret" });
  await authority.redeem({ token: await offer() }, at);
  assert.equal(authority.stands(byCertificate), false);
  await assert.rejects(present(pem), { reason: "certificate" });
  await authority.close();
  await assert.rejects((await open(config)).present(pem), { reason: "certificate" }, "nor after a restart");
});

test("revoking a device ends its secret, its certificate and its open token", async (t) => {
  const { open } = await folder(t);
  const { authority, login, present, offer } = await open();
  const secret = secretOf(await authority.redeem({ token: await offer() }, at));
  const pem = certificateOf(await authority.renew({ kind: "token", token: secret, id: "home-7" }, { csr: (await makeRequest("home-7")).csr }, at));
  const principals = [await login(secret, "home-7"), await present(pem)];
  const token = await offer();
  await authority.revoke({ kind: "device", name: "home-7", by });
  assert.deepEqual(principals.map((one) => authority.stands(one)), [false, false]);
  await assert.rejects(login(secret, "home-7"), { reason: "revoked" });
  await assert.rejects(present(pem), { reason: "revoked" });
  await assert.rejects(authority.redeem({ token }, at), invalid);
  await assert.rejects(authority.renew({ kind: "token", token: secret, id: "home-7" }, {}, at), { reason: "revoked" });
  await assert.rejects(offer(), /is revoked; undo that first/);
});

test("renew() gives a new secret; the old one counts until the new one is used, however many answers are lost", async (t) => {
  const { open } = await folder(t);
  const { authority, login, offer } = await open();
  const first = secretOf(await authority.redeem({ token: await offer() }, at));
  const renew = (secret: string) => authority.renew({ kind: "token", token: secret, id: "home-7" }, {}, at).then(secretOf);
  await renew(first);
  const third = await renew(first);
  const old = await login(first, "home-7");
  assert.equal((await login(third, "home-7")).id, "home-7");
  await until("the first one has ended", () => !authority.stands(old));
  await assert.rejects(login(first, "home-7"), { reason: "secret" });
  assert.equal((await login(third, "home-7")).id, "home-7");
});

test("renew() gives a new certificate for the one that is shown; both count", async (t) => {
  const { open } = await folder(t);
  const { authority, present, offer } = await open();
  const old = certificateOf(await authority.redeem({ token: await offer(), csr: (await makeRequest("home-7")).csr }, at));
  const { fingerprint256 } = new X509Certificate(old);
  const next = certificateOf(await authority.renew({ kind: "certificate", names: ["home-7"], fingerprint: fingerprint256 }, { csr: (await makeRequest("home-7")).csr }, at));
  assert.notEqual(next, old);
  assert.deepEqual([(await present(old)).id, (await present(next)).id], ["home-7", "home-7"]);
});

test("renew() is for enrolled devices only: not for a token, nor for somebody else", async (t) => {
  const { open, clock } = await folder(t);
  const { authority, offer } = await open();
  const secret = secretOf(await authority.redeem({ token: await offer() }, at));
  const jwt = await authority.issue({ id: "home-7", roles: ["admin"], ttl: 60 });
  await assert.rejects(authority.renew({ kind: "token", token: jwt, id: "home-7" }, {}, at), { code: "FORBIDDEN" });
  await assert.rejects(authority.renew({ kind: "token", token: secret, id: "home-8" }, {}, at), { reason: "secret" });
  await clock.advance(60_000);
  await assert.rejects(authority.renew({ kind: "certificate", names: ["home-7"], fingerprint: "AA:BB" }, {}, at), { reason: "certificate" });
});

test("enrol() refuses roles that enrolments may not give, ids nobody may have, and lives that are none", async (t) => {
  const { open } = await folder(t);
  const { offer } = await open();
  await assert.rejects(offer({ roles: ["admin"] }), { code: "FORBIDDEN", message: /enrolment\.roles of the config allows device/ });
  for (const bad of [{ id: "server" }, { id: "+" }, { roles: ["nobody"] }, { ttl: 0 }, { ttl: 2_592_001 }, { ttl: Number.NaN }, { groups: ["a/b"] }]) await assert.rejects(offer(bad), RangeError, JSON.stringify(bad));
  await assert.rejects((await open({ registerFile: false })).offer(), { code: "UNAVAILABLE" });
});

test("createAuthority() refuses an authority whose key it cannot use, without saying the passphrase", async (t) => {
  const { open, home } = await folder(t);
  const wrong = (ca: object) => open({ enrolment: { ca: { certFile: "ca.crt", keyFile: "ca.key", ...ca } } });
  await assert.rejects(wrong({ passphrase: "wrong passphrase" }), (error) => error instanceof Error && /its passphrase is another/.test(error.message) && !error.message.includes("wrong passphrase") && error.cause === undefined);
  await assert.rejects(wrong({}), { code: "CONFIG" });
  const other = await createCertificateAuthority({ name: "Other", days: 1, now: Date.UTC(2026, 0, 1) });
  await writeFile(join(home, "other.crt"), other.certificate);
  await assert.rejects(wrong({ certFile: "other.crt", passphrase: "open sesame" }), { code: "CONFIG", message: /another certificate's/ });
});
