import assert from "node:assert/strict";
import { test } from "node:test";
import { checkSecret, decoyHash, hashSecret, parseSecretHash } from "./secret-hash.ts";

test("hashSecret() makes a text that checkSecret() takes with the right secret only", async () => {
  const text = await hashSecret("correct horse");
  assert.match(text, /^scrypt\$16384\$8\$1\$[\w-]{22}\$[\w-]{43}$/);
  assert.notEqual(await hashSecret("correct horse"), text);
  const stored = parseSecretHash(text)!;
  assert.equal(await checkSecret(stored, "correct horse"), true);
  for (const wrong of ["correct hors", "correct horse ", "Correct horse", ""]) assert.equal(await checkSecret(stored, wrong), false, wrong);
});

test("checkSecret() agrees with RFC 7914 §12", async () => {
  const hash = Buffer.from("7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887", "hex");
  const stored = { N: 16_384, r: 8, p: 1, salt: Buffer.from("SodiumChloride"), hash };
  assert.equal(await checkSecret(stored, "pleaseletmein"), true);
  assert.equal(await checkSecret(stored, "pleaseletmeout"), false);
});

test("checkSecret() takes a secret in either spelling of its accents", async () => {
  assert.equal(await checkSecret(parseSecretHash(await hashSecret("caf\u00e9 cr\u00e8me"))!, "cafe\u0301 cre\u0300me"), true);
});

test("hashSecret() refuses what is too short, too long or looks like a token", async () => {
  await assert.rejects(hashSecret("short"), RangeError);
  await assert.rejects(hashSecret("x".repeat(1025)), RangeError);
  await assert.rejects(hashSecret("part-1.part-2.part-3"), /form of a JWT/);
});

test("parseSecretHash() refuses what is no hash, and a cost that would take the machine", () => {
  const rest = `${"A".repeat(22)}$${"A".repeat(43)}`;
  assert.ok(parseSecretHash(`scrypt$16384$8$1$${rest}`));
  for (const bad of ["", "secret", `bcrypt$16384$8$1$${rest}`, `scrypt$16385$8$1$${rest}`, `scrypt$512$8$1$${rest}`, `scrypt$262144$8$1$${rest}`, `scrypt$16384$0$1$${rest}`, `scrypt$16384$32$1$${rest}`, `scrypt$16384$8$0$${rest}`, `scrypt$16384$8$9$${rest}`, "scrypt$16384$8$1$AA$AA", `scrypt$16384$8$1$${rest}\n`]) {
    assert.equal(parseSecretHash(bad), undefined, bad);
  }
});

test("decoyHash() never agrees with a secret, at the cost it was asked for", async () => {
  const decoy = decoyHash({ N: 1024, r: 8, p: 1 });
  assert.deepEqual([decoy.N, decoy.r, decoy.p], [1024, 8, 1]);
  assert.equal(await checkSecret(decoy, ""), false);
});
