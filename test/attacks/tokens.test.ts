import assert from "node:assert/strict";
import { createHmac, generateKeyPairSync, randomBytes, sign, type KeyObject } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { forgeToken, hmac, signed, unsigned } from "../../plugins/auth-jwt/forged-token.ts";
import { attackSuite } from "./target/attack-suite.ts";
import { sumOf } from "./target/assert-unharmed.ts";
import { sessionTransports, type AttackTarget } from "./target/attack-target.ts";
import { assertNoSession, assertRefused, upgradeWith } from "./target/show-token.ts";

const id = "device-1";
/** What an attacker wants to be. */
const wanted = { roles: ["admin"], user: true };
const now = (): number => Math.floor(Date.now() / 1000);
const pem = (key: KeyObject): string => key.export({ type: "spki", format: "pem" }) as string;
const der = (key: KeyObject): Buffer => key.export({ type: "spki", format: "der" });
const header = { alg: "HS256", typ: "JWT", kid: "shared" };

/** A token whose signature is right, with these claims: only they are wrong. */
const rightlySigned = (target: AttackTarget, claims: object): string => target.token(id, { ...wanted, ...claims });

attackSuite("tokens", (attack) => {
  attack("a token with alg none and no signature: no key is for none", async (target) => {
    for (const alg of ["none", "None", "NONE", "nOnE", ""]) await assertRefused(target, forgeToken({ alg, typ: "JWT" }, target.claims(id, wanted), unsigned), { reason: "algorithm" });
  });

  attack("a good token whose header is changed to none, its signature left on: the algorithm is the key's", async (target) => {
    const [, payload, signature] = target.token(id, wanted).split(".");
    const head = Buffer.from('{"alg":"none","typ":"JWT"}').toString("base64url");
    await assertRefused(target, `${head}.${payload}.${signature}`, { reason: "algorithm" });
    await assertRefused(target, `${head}.${payload}.`, { reason: "algorithm" });
  });

  attack("HS256 with the RSA public key as the secret (algorithm confusion): a public key is for RS256 alone", async (target) => {
    const { publicKey } = target.rsa;
    for (const secret of [pem(publicKey), pem(publicKey).trim(), der(publicKey)]) {
      for (const kid of ["rsa", "shared", undefined]) await assertRefused(target, forgeToken({ alg: "HS256", kid }, target.claims(id, wanted), hmac(secret)), { reason: "signature" });
    }
  });

  attack("HS256 with the EC public key as the secret (algorithm confusion): a public key is for ES256 alone", async (target) => {
    const { publicKey } = target.ec;
    for (const secret of [pem(publicKey), der(publicKey), der(publicKey).subarray(-65)]) await assertRefused(target, forgeToken({ alg: "HS256", kid: "ec" }, target.claims(id, wanted), hmac(secret)), { reason: "signature" });
  });

  attack("an RS256 token under the kid of the EC key, and the other way round: a kid does not change a key's algorithm", async (target) => {
    const strange = generateKeyPairSync("rsa", { modulusLength: 2048 });
    await assertRefused(target, forgeToken({ alg: "RS256", kid: "ec" }, target.claims(id, wanted), signed(strange.privateKey)), { reason: "algorithm" });
    await assertRefused(target, forgeToken({ alg: "ES256", kid: "rsa" }, target.claims(id, wanted), signed(target.ec.privateKey)), { reason: "algorithm" });
  });

  attack("algorithms that nobody configured, HS512, RS512, PS256 and ES384, with the right keys: each key has one", async (target) => {
    const hs512 = (input: string): Uint8Array => createHmac("sha512", target.hs256).update(input).digest();
    await assertRefused(target, forgeToken({ alg: "HS512", kid: "shared" }, target.claims(id, wanted), hs512), { reason: "algorithm" });
    for (const alg of ["RS512", "PS256", "ES384", "EdDSA", "HS256 ", "hs256"]) await assertRefused(target, forgeToken({ alg }, target.claims(id, wanted), signed(target.rsa.privateKey)), { reason: "algorithm" });
  });

  attack("HS256 with a foreign secret, a short one, none at all: the signature is not ours", async (target) => {
    for (const secret of [randomBytes(32), "secret", "busbar", "", "\0"]) await assertRefused(target, forgeToken(header, target.claims(id, wanted), hmac(secret)), { reason: "signature" });
  });

  attack("RS256 with a foreign key: the signature is not ours", async (target) => {
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    await assertRefused(target, forgeToken({ alg: "RS256", kid: "rsa" }, target.claims(id, wanted), signed(privateKey)), { reason: "signature" });
  });

  attack("ES256 with a foreign key, and one on another curve: the signature is not ours", async (target) => {
    for (const namedCurve of ["P-256", "P-384"]) {
      const { privateKey } = generateKeyPairSync("ec", { namedCurve });
      await assertRefused(target, forgeToken({ alg: "ES256", kid: "ec" }, target.claims(id, wanted), signed(privateKey)), { reason: "signature" });
    }
  });

  attack("ES256 with a signature of zeros, of the order of the curve, or none (psychic signatures): it is not ours", async (target) => {
    const order = Buffer.from("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", "hex");
    for (const signature of [Buffer.alloc(64), Buffer.concat([order, order]), Buffer.alloc(0), Buffer.from("3006020100020100", "hex")]) {
      await assertRefused(target, forgeToken({ alg: "ES256", kid: "ec" }, target.claims(id, wanted), () => signature), { reason: "signature" });
    }
  });

  attack("a good signature under other claims: a signature is for what was signed", async (target) => {
    const [head, , signature] = target.token(id).split(".");
    const payload = Buffer.from(JSON.stringify(target.claims(id, wanted))).toString("base64url");
    await assertRefused(target, `${head}.${payload}.${signature}`, { reason: "signature" });
  });

  attack("a good token with its signature cut off, cut short, lengthened, or one bit changed: it is not ours", async (target) => {
    const [head, payload, signature = ""] = target.token(id, wanted).split(".");
    const bytes = Buffer.from(signature, "base64url");
    bytes[7]! ^= 1;
    for (const forged of ["", signature.slice(0, 20), `${signature}AA`, bytes.toString("base64url")]) await assertRefused(target, `${head}.${payload}.${forged}`, { reason: "signature" });
  });

  attack("the header brings its own key (jwk, x5c): keys come from the config alone", async (target) => {
    const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const own = { jwk: publicKey.export({ format: "jwk" }), x5c: [der(publicKey).toString("base64")] };
    await assertRefused(target, forgeToken({ alg: "RS256", kid: "rsa", ...own }, target.claims(id, wanted), signed(privateKey)), { reason: "signature" });
  });

  attack("the header names where a key may be fetched (jku, x5u): nobody asks there", async (target) => {
    let asked = 0;
    const server = createServer((_request, response) => void (asked++, response.end("{}"))).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`;
      const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
      await assertRefused(target, forgeToken({ alg: "RS256", jku: url, x5u: url, kid: "rsa" }, target.claims(id, wanted), signed(privateKey)), { reason: "signature" });
      assert.equal(asked, 0);
    } finally {
      server.close();
    }
  });

  attack("a kid that is a path, an SQL injection, or a prototype: it only leaves keys out", async (target) => {
    for (const kid of ["../../../../dev/null", "/proc/self/environ", "x' UNION SELECT 'secret' --", "__proto__", "constructor", { toString: "shared" }, ["shared"], 0, null]) {
      await assertRefused(target, forgeToken({ alg: "HS256", kid }, target.claims(id, wanted), hmac("")), { reason: "signature" });
    }
  });

  attack("a critical extension in the header that we do not know (crit, b64): refused unread", async (target) => {
    for (const crit of [["b64"], ["exp"], [], null]) await assertRefused(target, forgeToken({ ...header, b64: false, crit }, target.claims(id, wanted), hmac(target.hs256)), { reason: "header" });
  });

  attack("a token for another audience, or for none: aud must be busbar", async (target) => {
    for (const aud of ["mqtt", "busbar2", "BUSBAR", "", ["mqtt", "busbar "], [], undefined, { busbar: true }]) await assertRefused(target, rightlySigned(target, { aud }), { reason: "audience" });
  });

  attack("a token that expired a second ago: exp knows no tolerance", async (target) => {
    await assertRefused(target, rightlySigned(target, { exp: now() - 1 }), { reason: "expired" });
    await assertRefused(target, rightlySigned(target, { exp: now() }), { reason: "expired" });
  });

  attack("a token without an end, or whose end is no number: exp is needed", async (target) => {
    for (const exp of [undefined, null, "never", String(now() + 3600), true, [now() + 3600]]) await assertRefused(target, rightlySigned(target, { exp }), { reason: "claims" });
    const endless = forgeToken(header, JSON.stringify(target.claims(id, wanted)).replace(/"exp":\d+/, '"exp":1e400'), hmac(target.hs256));
    await assertRefused(target, endless, { reason: "claims" });
  });

  attack("a token from the future: nbf is obeyed", async (target) => {
    await assertRefused(target, rightlySigned(target, { nbf: now() + 3600, exp: now() + 7200 }), { reason: "not-active" });
    await assertRefused(target, rightlySigned(target, { nbf: "tomorrow" }), { reason: "claims" });
  });

  attack("a token for a reserved or impossible id: sub must be an id that somebody may have", async (target) => {
    for (const sub of ["server", "all", "group/kitchen", "server/x", "", "a//b", "../admin", "a b", "a\0", "+", "#", "x".repeat(257), 7, null, ["device-1"], { id }]) {
      await assertRefused(target, target.token(sub, wanted), { as: id, reason: "claims" });
    }
  });

  attack("roles that are no list of names: they grant nothing, and the token is refused", async (target) => {
    for (const roles of ["admin", { admin: true }, [["admin"]], [{ name: "admin" }], 7, Array.from({ length: 65 }, () => "admin")]) await assertRefused(target, target.token(id, { roles }), { reason: "claims" });
  });

  attack("a right token with a role called __proto__ or constructor: it grants nothing", async (target) => {
    const peer = await target.login("ws", target.token(id, { roles: ["__proto__", "constructor", "toString", "hasOwnProperty"] }), id);
    peer.publish({ type: "status", from: id, msgid: "p", qos: 1, payload: 1 });
    assert.equal((await peer.next("error"))["code"], "FORBIDDEN");
  });

  attack("the token of one device under another's name: the claimed id must be the token's or lie below it", async (target) => {
    for (const [holder, claimed] of [["home-7", "home-70"], ["home-7", "home"], ["home-7", "home-7x/lamp"], ["home-7/lamp", "home-7"], ["device-1", "Device-1"]] as const) {
      const token = target.token(holder, wanted);
      await Promise.all(sessionTransports.map((transport) => assertNoSession(target, token, { as: claimed, transport })));
    }
  });

  attack("a revoked token, and the token of a revoked device: right in every other way, refused", async (target) => {
    await assertRefused(target, target.token(id, { ...wanted, jti: "revoked-token" }), { reason: "revoked" });
    await assertRefused(target, target.token("stolen-1"), { as: "stolen-1", reason: "revoked" });
    await assertRefused(target, target.token("stolen-1/part"), { as: "stolen-1/part", reason: "revoked" });
  });

  attack("an encrypted token, two tokens in one, a token among other text: there is no JWT", async (target) => {
    const good = target.token(id, wanted);
    for (const token of [`${good}.${good}`, "a.b.c.d.e", `.${good}`, `${good}=`, good.replace(".", ".."), "..", "undefined", "null"]) await assertRefused(target, token, { reason: "malformed", doors: "http" });
  });

  attack("a token of 100 KB, and one nested 1,400 levels deep: too long to be looked at, or no claims", async (target) => {
    const long = target.token(id, { ...wanted, filler: "x".repeat(75_000) });
    await assertNoSession(target, long, { as: id, transport: "ws" });
    const { status } = await target.http({ path: "/api/devices", token: long });
    assert.ok(status === 401 || status === 431, `${status}`);
    await assertRefused(target, forgeToken(header, `${"[".repeat(1400)}${"]".repeat(1400)}`, hmac(target.hs256)), { reason: "audience" });
  });

  attack("a header that is not JSON, or JSON but no object: refused without an error of ours", async (target) => {
    for (const text of ["{", "null", "7", '"x"', "\xff\xfe", '{"alg":"HS256"']) await assertRefused(target, forgeToken(text, target.claims(id, wanted), hmac(target.hs256)), { reason: "malformed" });
    await assertRefused(target, forgeToken("[]", target.claims(id, wanted), hmac(target.hs256)), { reason: "algorithm" });
  });

  attack("claims that are not JSON, or JSON but no object, rightly signed: refused without an error of ours", async (target) => {
    for (const text of ["{", "[]", "null", "7", '"x"', "\xff\xfe"]) {
      const token = forgeToken(header, text, hmac(target.hs256));
      assert.equal(await upgradeWith(target, token), "refused", text);
      assert.equal((await target.http({ path: "/api/devices", token })).status, 401, text);
    }
  });

  attack("an ES256 signature in DER instead of r and s: it is not of the form that RFC 7518 asks for", async (target) => {
    const signer = (input: string): Uint8Array => sign("sha256", Buffer.from(input), { key: target.ec.privateKey, dsaEncoding: "der" });
    await assertRefused(target, forgeToken({ alg: "ES256", kid: "ec" }, target.claims(id, wanted), signer), { reason: "signature" });
  });

  attack("a token in the query of a URL: only the header counts, and no log shows it", async (target) => {
    const token = target.admin("somebody");
    for (const path of [`/api/devices?token=${token}`, `/api/devices?access_token=${token}`, `/metrics?authorization=Bearer%20${token}`]) {
      const { status } = await target.http({ path, headers: { host: "192.0.2.1" } });
      assert.equal(status, 401, path.slice(0, 20));
    }
  });

  attack("Basic instead of Bearer, Bearer twice, a token between quotes: who asks is unknown", async (target) => {
    const token = target.admin("somebody");
    const basic = Buffer.from(`operator:${token}`).toString("base64");
    for (const authorization of [`Basic ${basic}`, `Bearer "${token}"`, `Bearer ${token} ${token}`, `Bearer ${token}, Bearer ${token}`, token, "Bearer", "Bearer "]) {
      assert.equal((await target.http({ path: "/api/devices", headers: { authorization } })).status, 401, authorization.slice(0, 10));
    }
  });

  attack("guessing device secrets: right or unknown ids are answered alike, and each guess takes longer", async (target) => {
    const failures = async (reason: string): Promise<number> => sumOf(await target.metrics(), "busbar_auth_failures_total", `reason="${reason}"`);
    for (const [as, secret] of [["sensor-001", "guess-number-one"], ["sensor-999", "guess-number-one"], ["sensor-001", "x".repeat(1025)], ["sensor-001", ""], ["sensor-001", "short"]] as const) {
      await assertNoSession(target, secret, { as, transport: "ws" });
    }
    assert.ok((await failures("secret")) >= 2);
    // Ten at once: after three failures each has to wait for its time, so most of them are turned away unread.
    await Promise.all(Array.from({ length: 10 }, (_, at) => assertNoSession(target, `guess-number-${at}`, { as: "sensor-001", transport: "ws" })));
    assert.ok((await failures("throttled")) > 0);
    assert.equal((await target.http({ path: "/api/devices", token: target.deviceSecret })).status, 401, "a device's secret is for its session alone");
  });
});
