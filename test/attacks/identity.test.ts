import assert from "node:assert/strict";
import { generateKeyPairSync, X509Certificate, type KeyObject } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe } from "node:test";
import { createCertificateAuthority } from "@busbar/auth-jwt";
import { until } from "@busbar/core/testkit";
import { edSigned, forgeToken, hmac, signed } from "../../plugins/auth-jwt/forged-token.ts";
import { startKeyServer } from "../../plugins/auth-jwt/testing/key-server.ts";
import { makeRequest } from "../../plugins/auth-jwt/testing/make-request.ts";
import { attackSuite } from "./target/attack-suite.ts";
import { sessionTransports, type AttackTarget } from "./target/attack-target.ts";
import type { HttpAnswer } from "./target/http-request.ts";
import { assertNoSession, assertRefused } from "./target/show-token.ts";

const ed = generateKeyPairSync("ed25519");
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const symmetric = "0123456789abcdef0123456789abcdef";
const jwk = (key: KeyObject, more: object): object => ({ ...key.export({ format: "jwk" }), ...more });

// An identity provider that does what it should, one that sends elsewhere, that elsewhere, and one that never stops talking.
const good = await startKeyServer({ keys: [jwk(ed.publicKey, { kid: "good" }), { kty: "oct", k: Buffer.from(symmetric).toString("base64url"), kid: "symmetric", alg: "HS256" }, jwk(rsa.publicKey, { kid: "confused", alg: "HS256" })] });
const trap = await startKeyServer({ keys: [jwk(ed.publicKey, { kid: "trap" })] });
const moved = await startKeyServer({ status: 302, headers: { location: trap.url } });
const huge = await startKeyServer({ body: `{"keys":[${JSON.stringify(jwk(ed.publicKey, { kid: "huge" }))}],"more":"${"x".repeat(32 * 1024 * 1024)}"}` });
const folder = mkdtempSync(join(tmpdir(), "busbar-attack-ca-"));
const ca = await createCertificateAuthority({ name: "Site", days: 30, now: Date.now() });
writeFileSync(join(folder, "ca.crt"), ca.certificate);
writeFileSync(join(folder, "ca.key"), ca.key.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });

const issuer = "https://idp.example";
const authority = {
  jwks: [
    { url: good.url, issuer, within: "plant", roles: ["device"], refresh: "1d" },
    { url: moved.url, issuer: "https://moved.example", refresh: "1s" },
    { url: huge.url, issuer: "https://huge.example", refresh: "1d" },
  ],
  enrolment: { ca: { certFile: join(folder, "ca.crt"), keyFile: join(folder, "ca.key") } },
};

/** A token that the identity provider has signed, and what is wrong with it. */
const provided = (target: AttackTarget, { kid = "good", alg = "EdDSA", claims = {} }: { readonly kid?: string; readonly alg?: string; readonly claims?: object } = {}): string =>
  target.secrets.keepToken(`provided ${kid}`, forgeToken({ alg, kid }, { ...target.claims("plant/plc", { iss: issuer, jti: crypto.randomUUID() }), ...claims }, edSigned(ed.privateKey)));

const post = (target: AttackTarget, path: string, body: object, token?: string): Promise<HttpAnswer> => target.http({ method: "POST", path, body, ...(token === undefined ? {} : { token }) });

/** A one-time token that an operator has made. */
async function offer(target: AttackTarget, id: string, more: object = {}): Promise<string> {
  const answer = await post(target, "/api/enrolments", { id, ...more }, target.admin());
  assert.equal(answer.status, 201, answer.body);
  return target.secrets.keep(`enrolment token of ${id}`, answer.json<{ token: string }>().token);
}

/** What a device is answered; while its address has to wait for earlier failures, it waits. */
async function redeem(target: AttackTarget, body: object): Promise<HttpAnswer> {
  return await until("the address may try again", async () => {
    const answer = await post(target, "/api/enrol", body);
    return answer.status === 429 ? undefined : answer;
  }, { within: 60_000 });
}

/** The secret of a device that has enrolled. */
async function enrolled(target: AttackTarget, id: string): Promise<string> {
  const answer = await redeem(target, { token: await offer(target, id) });
  assert.equal(answer.status, 201, answer.body);
  return target.secrets.keep(`secret of ${id}`, answer.json<{ secret: string }>().secret);
}

/** The words for every token that is none. */
const invalid = { status: 401, detail: "The token is not valid" };
const saying = (answer: HttpAnswer): object => ({ status: answer.status, detail: answer.json()["detail"] });

describe("identity", () => {
  after(async () => {
    await Promise.all([good, trap, moved, huge].map((server) => server.close()));
    rmSync(folder, { recursive: true });
  });

  attackSuite("identity", (attack) => {
    attack("a token signed with a symmetric key that stands in a key set: such keys are left out, as everybody can read the set", async (target) => {
      await assertRefused(target, forgeToken({ alg: "HS256", kid: "symmetric" }, target.claims("plant/plc", { iss: issuer }), hmac(symmetric)), { as: "plant/plc", reason: "signature" });
    });

    attack("HS256 with the public key of a set whose alg says HS256: an RSA key is for RS256 alone", async (target) => {
      const secret = rsa.publicKey.export({ type: "spki", format: "pem" }).toString();
      await assertRefused(target, forgeToken({ alg: "HS256", kid: "confused" }, target.claims("plant/plc", { iss: issuer }), hmac(secret)), { as: "plant/plc", reason: "signature" });
      await assertRefused(target, forgeToken({ alg: "RS256", kid: "confused" }, target.claims("plant/plc", { iss: issuer }), signed(rsa.privateKey)), { as: "plant/plc", reason: "algorithm" });
    });

    attack("a key set that redirects to the attacker's host: redirects are not followed", async (target) => {
      await assertRefused(target, provided(target, { kid: "trap", claims: { iss: "https://moved.example" } }), { as: "plant/plc", reason: "algorithm" });
      assert.ok(moved.asked > 0);
      assert.equal(trap.asked, 0);
    });

    attack("a key set of 32 MiB: it is dropped at 64 KiB", async (target) => {
      await assertRefused(target, provided(target, { kid: "huge", claims: { iss: "https://huge.example" } }), { as: "plant/plc", reason: "algorithm" });
    });

    attack("a flood of tokens with unknown kids, to have the gateway flood its identity provider: one fetch in the cooldown", async (target) => {
      const before = good.asked;
      for (let round = 0; round < 10; round++) {
        const answers = await Promise.all(Array.from({ length: 20 }, (_, at) => target.http({ path: "/api/devices", token: provided(target, { kid: `kid-${round}-${at}` }) })));
        assert.deepEqual([...new Set(answers.map(({ status }) => status))], [401]);
      }
      assert.ok(good.asked - before <= 2, `${good.asked - before} fetches`);
    });

    attack("an EdDSA token under the kid of an RS256 key: a kid does not change a key's algorithm", async (target) => {
      await assertRefused(target, provided(target, { kid: "rsa" }), { as: "plant/plc", reason: "algorithm" });
      await assertRefused(target, provided(target, { kid: "confused" }), { as: "plant/plc", reason: "algorithm" });
    });

    attack("a token of the identity provider for another service, or of another issuer: aud and iss are asked for", async (target) => {
      await assertRefused(target, provided(target, { claims: { aud: "crm" } }), { as: "plant/plc", reason: "audience" });
      await assertRefused(target, provided(target, { claims: { iss: "https://idp.example.evil" } }), { as: "plant/plc", reason: "algorithm" });
    });

    attack("an identity provider for the plant makes a token for another site's device: within bounds its ids", async (target) => {
      for (const sub of ["plant-2", "home-7", "operator"]) await assertRefused(target, provided(target, { claims: { sub } }), { as: sub, reason: "trust" });
    });

    attack("an identity provider for devices makes an admin: roles bounds what it may give", async (target) => {
      const token = provided(target, { claims: { roles: ["admin", "device"], user: true } });
      assert.equal((await target.http({ path: "/api/plugins", token })).status, 403);
      const peer = await target.login("ws", token, "plant/plc");
      peer.send({ kind: "subscribe", topic: "#", qos: 0, ref: "a" });
      assert.equal((await peer.next("error"))["code"], "FORBIDDEN");
      peer.destroy();
    });

    attack("a session kept alive past the end of its token by pings: expiry asks the clock, not the traffic", async (target) => {
      await Promise.all(sessionTransports.map(async (transport) => {
        const peer = await target.login(transport, target.token(`late/${transport}`, { exp: Math.floor(Date.now() / 1000) + 8 }), `late/${transport}`);
        await until(`${transport} is out`, () => peer.closed, { turn: async () => {
          if (!peer.closed) peer.send({ kind: "ping" });
          await new Promise((resolve) => setTimeout(resolve, 20));
        } });
        assert.equal(peer.closed?.code, transport === "tcp" ? undefined : 4403);
      }));
    });

    attack("a token that was revoked over one transport is shown on the others: a revocation is for all of them", async (target) => {
      const token = target.token("device-1", { jti: "leaked-1" });
      const peer = await target.login("tcp", token, "device-1");
      assert.equal((await post(target, "/api/revocations", { kind: "token", name: "leaked-1" }, target.admin())).status, 200);
      await peer.end();
      await assertRefused(target, token, { reason: "revoked" });
    });

    attack("a revoked device comes back under an id below its own: all that lies below is revoked", async (target) => {
      assert.equal((await post(target, "/api/revocations", { kind: "device", name: "gone" }, target.admin())).status, 200);
      await assertRefused(target, target.token("gone"), { as: "gone/lamp", reason: "revoked" });
      await assertRefused(target, target.token("gone/lamp"), { as: "gone/lamp", reason: "revoked" });
    });

    attack("a device revokes others, lists revocations, or makes enrolment tokens: that wants rights of its own", async (target) => {
      const token = target.token("device-1");
      for (const [path, body] of [["/api/revocations", { kind: "device", name: "home-7" }], ["/api/revocations", { kind: "role", name: "admin" }], ["/api/enrolments", { id: "device-1" }]] as const) assert.equal((await post(target, path, body, token)).status, 403, path);
      for (const path of ["/api/revocations", "/api/enrolments"]) assert.equal((await target.http({ path, token })).status, 403, path);
    });

    attack("an operator enrols a device as admin: enrolments give only the roles that the config names", async (target) => {
      assert.equal((await post(target, "/api/enrolments", { id: "sneaky", roles: ["admin"] }, target.admin())).status, 403);
    });

    attack("an enrolment token is used twice: it is good once", async (target) => {
      const token = await offer(target, "enrol-1");
      const first = await redeem(target, { token, id: "enrol-1" });
      assert.equal(first.status, 201, first.body);
      target.secrets.keep("secret of enrol-1", first.json<{ secret: string }>().secret);
      assert.deepEqual(saying(await redeem(target, { token, id: "enrol-1" })), invalid);
    });

    attack("an enrolment token is used by four at the same moment: one gets in", async (target) => {
      const token = await offer(target, "enrol-2");
      const answers = await Promise.all(Array.from({ length: 4 }, () => post(target, "/api/enrol", { token })));
      assert.deepEqual(answers.map(({ status }) => status).filter((status) => status !== 429).sort(), [201, ...answers.filter(({ status }) => status === 401).map(() => 401)]);
      target.secrets.keep("secret of enrol-2", answers.find(({ status }) => status === 201)!.json<{ secret: string }>().secret);
    });

    attack("an enrolment token that has expired, one for another id, one that was replaced: all in the same words as a guess", async (target) => {
      await enrolled(target, "enrol-reset"); // what failed before is forgotten
      const expired = await offer(target, "enrol-3", { ttl: 1 });
      await until("it has expired", async () => !(await target.http({ path: "/api/enrolments", token: target.admin() })).body.includes("enrol-3"));
      assert.deepEqual(saying(await redeem(target, { token: expired })), invalid);
      const foreign = await offer(target, "enrol-4");
      assert.deepEqual(saying(await redeem(target, { token: foreign, id: "enrol-5" })), invalid);
      await offer(target, "enrol-4");
      assert.deepEqual(saying(await redeem(target, { token: foreign, id: "enrol-4" })), invalid);
      assert.deepEqual(saying(await redeem(target, { token: `enrol-${"A".repeat(43)}` })), invalid);
    });

    attack("an enrolment token is shown to log in with: it is for enrolling only", async (target) => {
      const token = await offer(target, "enrol-6");
      for (const transport of sessionTransports) await assertNoSession(target, token, { as: "enrol-6", transport });
      assert.equal((await target.http({ path: "/api/devices", token })).status, 401);
    });

    attack("a signing request with another's name in it: the CN must be the id", async (target) => {
      const token = await offer(target, "enrol-7");
      for (const name of ["operator", "enrol-7/../operator", "enrol-70"]) {
        const answer = await redeem(target, { token, csr: (await makeRequest(name)).csr });
        assert.deepEqual(saying(answer), { status: 422, detail: "Cannot sign the request: its CN is not the id of the device" });
      }
    });

    attack("a signing request that asks for an authority's certificate, for a server's, and for another host name: only its key counts", async (target) => {
      const answer = await redeem(target, { token: await offer(target, "enrol-8"), csr: (await makeRequest("enrol-8", { greedy: true })).csr });
      assert.equal(answer.status, 201, answer.body);
      const certificate = new X509Certificate(answer.json<{ certificate: string }>().certificate);
      assert.deepEqual([certificate.subject, certificate.ca, certificate.subjectAltName], ["CN=enrol-8", false, undefined]);
      const serverAuth = Buffer.from("06082b06010505070301", "hex"); // id-kp-serverAuth (RFC 5280 §4.2.1.12) in DER
      const clientAuth = Buffer.from("06082b06010505070302", "hex");
      assert.deepEqual([certificate.raw.includes(serverAuth), certificate.raw.includes(clientAuth)], [false, true]);
    });

    attack("a signing request with an RSA key of 1024 bits: such keys can be broken", async (target) => {
      const answer = await redeem(target, { token: await offer(target, "enrol-9"), csr: (await makeRequest("enrol-9", { rsa: 1024 })).csr });
      assert.deepEqual(saying(answer), { status: 422, detail: "Cannot sign the request: its RSA key has 1024 bits, 2048 to 4096 are allowed" });
    });

    attack("a signing request for a key that its maker does not have: the signature must be that key's", async (target) => {
      const answer = await redeem(target, { token: await offer(target, "enrol-10"), csr: (await makeRequest("enrol-10", { broken: true })).csr });
      assert.deepEqual(saying(answer), { status: 422, detail: "Cannot sign the request: its signature is not that of its key" });
    });

    attack("a signing request that is torn, huge, or no request at all: 422, and the token stays good", async (target) => {
      const token = await offer(target, "enrol-11");
      const { csr } = await makeRequest("enrol-11");
      for (const text of ["", "x".repeat(16_384), csr.slice(0, 200), csr + csr, csr.replace(/[A-Z]{3}/, "AAA"), ca.certificate, "x".repeat(20_000)]) assert.equal((await redeem(target, { token, csr: text })).status, 422);
      assert.equal((await redeem(target, { token, csr })).status, 201);
    });

    attack("a device renews another's secret, or makes itself a lasting one out of a short-lived token: renewal wants the device's own credential", async (target) => {
      const secret = await enrolled(target, "enrol-12");
      assert.equal((await post(target, "/api/enrol/renew", { id: "enrol-13", secret })).status, 401);
      assert.equal((await post(target, "/api/enrol/renew", { id: "enrol-12", secret: target.token("enrol-12") })).status, 403);
      assert.equal((await post(target, "/api/enrol/renew", {})).status, 422);
    });

    attack("the secret of a device that was revoked, or that has enrolled anew: neither counts", async (target) => {
      const stolen = await enrolled(target, "enrol-14");
      const live = await target.login("tcp", stolen, "enrol-14");
      const fresh = await enrolled(target, "enrol-14");
      await live.end();
      await assertNoSession(target, stolen, { as: "enrol-14", transport: "ws" });
      const peer = await target.login("ws", fresh, "enrol-14");
      assert.equal((await post(target, "/api/revocations", { kind: "device", name: "enrol-14" }, target.admin())).status, 200);
      assert.equal((await peer.end()).code, 4403);
      await assertNoSession(target, fresh, { as: "enrol-14", transport: "ws-proto" });
    });

    attack("guessing enrolment tokens: three guesses, then longer and longer pauses", async (target) => {
      await enrolled(target, "enrol-15"); // what failed before is forgotten
      const statuses: number[] = [];
      for (let guess = 0; guess < 40; guess++) statuses.push((await post(target, "/api/enrol", { token: `enrol-${guess}`.padEnd(49, "A") })).status);
      assert.deepEqual([...new Set(statuses)].sort(), [401, 429]);
      assert.ok(statuses.filter((status) => status === 401).length <= 10, statuses.join());
    });
  }, { plugins: { "auth-jwt": authority } });
});
