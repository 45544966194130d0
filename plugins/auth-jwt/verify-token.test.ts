import assert from "node:assert/strict";
import { createHmac, createSecretKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { test } from "node:test";
import { fakeClock } from "@busbar/core/testkit";
import fc from "fast-check";
import { forgeToken, hmac, signed, unsigned, type Signer } from "./forged-token.ts";
import { Refusal, type RefusalReason } from "./refusal.ts";
import type { PinnedKey } from "./signing-keys.ts";
import { hasTokenForm, verifyToken } from "./verify-token.ts";

const clock = fakeClock();
const now = Math.floor(clock.now() / 1000);
const secret = "0123456789abcdef0123456789abcdef";
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const otherRsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const ec = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
const pem = (key: KeyObject): string => key.export({ type: "spki", format: "pem" }).toString();

const hs256: PinnedKey = { algorithm: "HS256", key: createSecretKey(Buffer.from(secret)) };
const rs256: PinnedKey = { algorithm: "RS256", key: rsa.publicKey };
const es256: PinnedKey = { algorithm: "ES256", key: ec.publicKey };
const all = [hs256, rs256, es256];

const claims = { aud: "busbar", sub: "home-7", roles: ["device"], exp: now + 60 };
const check = (token: string, keys: readonly PinnedKey[] = all) => verifyToken(token, { keys, clock, tolerance: 5000 });
const refused = (token: string, reason: RefusalReason, keys: readonly PinnedKey[] = all): Promise<void> =>
  assert.rejects(
    check(token, keys),
    (error) => {
      assert.ok(error instanceof Refusal);
      assert.equal(error.reason, reason, error.message);
      assert.equal(error.code, "UNAUTHENTICATED");
      for (const part of token.split(".").filter((text) => text.length > 8)) assert.ok(!error.message.includes(part), "the message holds a part of the token");
      return true;
    },
  );

test("verifyToken() takes a token of each pinned key", async () => {
  const expected = { id: "home-7", roles: ["device"], expires: (now + 60) * 1000 };
  assert.deepEqual(await check(forgeToken({ alg: "HS256", typ: "JWT" }, claims, hmac(secret))), expected);
  assert.deepEqual(await check(forgeToken({ alg: "RS256" }, claims, signed(rsa.privateKey))), expected);
  assert.deepEqual(await check(forgeToken({ alg: "ES256" }, { ...claims, jti: "t-1" }, signed(ec.privateKey))), { ...expected, credential: "t-1" });
  assert.deepEqual(await check(forgeToken({ alg: "HS256" }, { ...claims, aud: ["other", "busbar"] }, hmac(secret))), expected);
});

const good = hmac(secret);
const head = { alg: "HS256", typ: "JWT" };
const { exp: _, ...endless } = claims;
const { sub: __, ...nameless } = claims;

/** Each one a known attack or a token that must not count, and the reason it is refused for. */
const attacks: readonly (readonly [string, RefusalReason, string])[] = [
  ["alg none without a signature", "algorithm", forgeToken({ alg: "none" }, claims, unsigned)],
  ["alg None in another spelling", "algorithm", forgeToken({ alg: "nOnE" }, claims, unsigned)],
  ["alg none with a right HMAC", "algorithm", forgeToken({ alg: "none" }, claims, good)],
  ["alg HS256 with the signature left out", "signature", forgeToken(head, claims, unsigned)],
  ["no alg at all", "algorithm", forgeToken({ typ: "JWT" }, claims, good)],
  ["alg that is a list", "algorithm", forgeToken({ alg: ["HS256"] }, claims, good)],
  ["HS256 signed with the RSA public key (algorithm confusion)", "signature", forgeToken(head, claims, hmac(pem(rsa.publicKey)))],
  ["HS256 signed with the EC public key (algorithm confusion)", "signature", forgeToken(head, claims, hmac(pem(ec.publicKey)))],
  ["HS256 signed with an empty secret", "signature", forgeToken(head, claims, hmac(""))],
  ["HS512, which no key is pinned to", "algorithm", forgeToken({ alg: "HS512" }, claims, (input) => createHmac("sha512", secret).update(input).digest())],
  ["RS256 signed by a foreign key", "signature", forgeToken({ alg: "RS256" }, claims, signed(otherRsa.privateKey))],
  ["RS256 that brings its own key (jwk)", "signature", forgeToken({ alg: "RS256", jwk: otherRsa.publicKey.export({ format: "jwk" }) }, claims, signed(otherRsa.privateKey))],
  ["RS256 that says where its key is (jku)", "signature", forgeToken({ alg: "RS256", jku: "http://127.0.0.1:1/jwks" }, claims, signed(otherRsa.privateKey))],
  ["ES256 with the all-zero signature (CVE-2022-21449)", "signature", forgeToken({ alg: "ES256" }, claims, () => new Uint8Array(64))],
  ["RS256 header over an ES256 signature", "signature", forgeToken({ alg: "RS256" }, claims, signed(ec.privateKey))],
  ["kid that points into the file system", "signature", forgeToken({ alg: "HS256", kid: "../../dev/null" }, claims, hmac(""))],
  ["critical extension", "header", forgeToken({ ...head, crit: ["exp"], exp: 1 }, claims, good)],
  ["critical extension that is empty", "header", forgeToken({ ...head, crit: [] }, claims, good)],
  ["critical extension whose name is escaped", "header", forgeToken('{"alg":"HS256","\\u0063rit":["b64"],"b64":false}', claims, good)],
  ["no exp", "claims", forgeToken(head, endless, good)],
  ["exp that is a text", "claims", forgeToken(head, { ...claims, exp: String(now + 60) }, good)],
  ["exp that overflows to infinity", "claims", forgeToken(head, JSON.stringify(claims).replace(/"exp":\d+/, '"exp":1e999'), good)],
  ["expired just now, within the tolerance for nbf", "expired", forgeToken(head, { ...claims, exp: now }, good)],
  ["expired long ago", "expired", forgeToken(head, { ...claims, exp: now - 3600 }, good)],
  ["nbf in the future", "not-active", forgeToken(head, { ...claims, nbf: now + 6 }, good)],
  ["nbf that is a text", "claims", forgeToken(head, { ...claims, nbf: "0" }, good)],
  ["another audience", "audience", forgeToken(head, { ...claims, aud: "other" }, good)],
  ["no audience", "audience", forgeToken(head, { sub: claims.sub, roles: [], exp: claims.exp }, good)],
  ["audience that only begins alike", "audience", forgeToken(head, { ...claims, aud: "busbar2" }, good)],
  ["no sub", "claims", forgeToken(head, nameless, good)],
  ["sub with a wildcard", "claims", forgeToken(head, { ...claims, sub: "+" }, good)],
  ["sub with a wildcard below", "claims", forgeToken(head, { ...claims, sub: "home-7/#" }, good)],
  ["sub that is empty", "claims", forgeToken(head, { ...claims, sub: "" }, good)],
  ["sub that climbs", "claims", forgeToken(head, { ...claims, sub: "home-7/../home-8" }, good)],
  ["sub that is the reserved id server", "claims", forgeToken(head, { ...claims, sub: "server" }, good)],
  ["sub that is the reserved id all", "claims", forgeToken(head, { ...claims, sub: "all" }, good)],
  ["sub that would speak for every group", "claims", forgeToken(head, { ...claims, sub: "group" }, good)],
  ["sub that is a group", "claims", forgeToken(head, { ...claims, sub: "group/kitchen" }, good)],
  ["roles that are a text", "claims", forgeToken(head, { ...claims, roles: "admin" }, good)],
  ["roles that are no texts", "claims", forgeToken(head, { ...claims, roles: [["admin"]] }, good)],
  ["65 roles", "claims", forgeToken(head, { ...claims, roles: Array(65).fill("a") }, good)],
  ["jti that is a number", "claims", forgeToken(head, { ...claims, jti: 7 }, good)],
  ["payload that is a list", "audience", forgeToken(head, [claims], good)],
  ["payload that is a text", "malformed", forgeToken(head, "hello", good)],
  ["header that is not JSON", "malformed", forgeToken("hello", claims, good)],
  ["header that is a number", "malformed", forgeToken("7", claims, good)],
  ["header that is a list", "algorithm", forgeToken([head], claims, good)],
  ["two parts", "malformed", forgeToken(head, claims, good).split(".").slice(0, 2).join(".")],
  ["four parts", "malformed", `${forgeToken(head, claims, good)}.AAAA`],
  ["blank at the end", "malformed", `${forgeToken(head, claims, good)} `],
  ["line end at the end", "malformed", `${forgeToken(head, claims, good)}\n`],
  ["padding", "malformed", `${forgeToken(head, claims, good)}=`],
  ["nothing", "malformed", ""],
  ["more than 8 KiB", "malformed", forgeToken(head, { ...claims, more: "x".repeat(8192) }, good)],
];

for (const [name, reason, token] of attacks) test(`verifyToken() refuses ${name}`, () => refused(token, reason));

test("verifyToken() refuses one key's algorithm with another key's material, whichever key stands alone", async () => {
  const confused: readonly (readonly [PinnedKey, string, Signer])[] = [
    [rs256, "HS256", hmac(pem(rsa.publicKey))],
    [rs256, "HS256", hmac(rsa.publicKey.export({ type: "spki", format: "der" }))],
    [es256, "HS256", hmac(pem(ec.publicKey))],
    [hs256, "RS256", signed(rsa.privateKey)],
    [es256, "RS256", signed(rsa.privateKey)],
    [rs256, "ES256", signed(ec.privateKey)],
    [rs256, "none", unsigned],
  ];
  for (const [key, alg, signer] of confused) await refused(forgeToken({ alg }, claims, signer), "algorithm", [key]);
});

test("verifyToken() refuses everything without a key", async () => {
  await refused(forgeToken(head, claims, good), "algorithm", []);
  await refused(forgeToken({ alg: "none" }, claims, unsigned), "algorithm", []);
});

test("verifyToken() takes kid as a hint which key, never as a reason to trust", async () => {
  const one: PinnedKey = { ...hs256, kid: "one" };
  const two: PinnedKey = { algorithm: "HS256", kid: "two", key: createSecretKey(Buffer.from(`${secret}-two`)) };
  assert.equal((await check(forgeToken({ ...head, kid: "two" }, claims, hmac(`${secret}-two`)), [one, two])).id, "home-7");
  assert.equal((await check(forgeToken(head, claims, hmac(`${secret}-two`)), [one, two])).id, "home-7");
  await refused(forgeToken({ ...head, kid: "one" }, claims, hmac(`${secret}-two`)), "signature", [one, two]);
  await refused(forgeToken({ ...head, kid: "three" }, claims, good), "algorithm", [one, two]);
  await refused(forgeToken({ ...head, kid: ["one"] }, claims, good), "algorithm", [one, two]);
});

test("verifyToken() says of several keys what the one with the right signature says", async () => {
  const two: PinnedKey = { algorithm: "HS256", key: createSecretKey(Buffer.from(`${secret}-two`)) };
  const expired = forgeToken(head, { ...claims, exp: now - 60 }, good);
  await refused(expired, "expired", [hs256, two]);
  await refused(expired, "expired", [two, hs256]);
});

test("verifyToken() allows nbf within the tolerance", async () => {
  assert.equal((await check(forgeToken(head, { ...claims, nbf: now + 5 }, good))).id, "home-7");
});

test("verifyToken() refuses a token of which any one character is another", async () => {
  const token = forgeToken(head, claims, good);
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
  await fc.assert(
    // The last character of the signature carries 4 bits and 2 of padding, so that four spellings of it are the same bytes.
    fc.asyncProperty(fc.nat(token.length - 2), fc.constantFrom(...letters), async (at, letter) => {
      fc.pre(token[at] !== letter);
      await assert.rejects(check(token.slice(0, at) + letter + token.slice(at + 1)), Refusal);
    }),
    { numRuns: 400 },
  );
});

test("verifyToken() answers any text with a refusal, never with another error", async () => {
  const part = fc.oneof(fc.string().map((text) => Buffer.from(text).toString("base64url")), fc.json().map((text) => Buffer.from(text).toString("base64url")), fc.string());
  await fc.assert(fc.asyncProperty(fc.tuple(part, part, part), (parts) => assert.rejects(check(parts.join(".")), Refusal)), { numRuns: 1000 });
});

test("hasTokenForm() tells tokens from device secrets", async () => {
  assert.ok(hasTokenForm(forgeToken(head, claims, good)));
  assert.ok(hasTokenForm(forgeToken(head, claims, unsigned)));
  for (const text of ["", "secret", "a.b", "a.b.c.d", "a b.c.d", ".b.c"]) assert.ok(!hasTokenForm(text), text);
});
