import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { X509Certificate } from "node:crypto";
import { test } from "node:test";
import { checkCertificateAuthority, createCertificateAuthority, createKey, signCertificate } from "./certificate-authority.ts";
import { loadX509 } from "./x509.ts";

const now = Date.now();
const run = promisify(execFile);
const hasOpenssl = await run("openssl", ["version"]).then(() => true, () => false);

async function site() {
  const ca = await createCertificateAuthority({ name: "Site", days: 3650, now });
  const { publicKey, privateKey } = await createKey();
  return { ca, publicKey, privateKey };
}

/** What its extended key usage allows; `keyUsage` of node:crypto is another extension on Deno. */
async function usesOf(certificate: X509Certificate): Promise<unknown> {
  const { X509Certificate: Parsed, ExtendedKeyUsageExtension } = await loadX509();
  return [...(new Parsed(certificate.raw).getExtension(ExtendedKeyUsageExtension)?.usages ?? [])];
}

test("createCertificateAuthority() makes an authority that may sign certificates, but no further authorities", async () => {
  const { ca } = await site();
  const certificate = new X509Certificate(ca.certificate);
  assert.deepEqual([certificate.ca, certificate.subject, certificate.issuer], [true, "CN=Site", "CN=Site"]);
  assert.ok(certificate.verify(certificate.publicKey) && certificate.checkPrivateKey(ca.key));
  assert.equal(Math.round((Date.parse(certificate.validTo) - now) / 86_400_000), 3650);
  checkCertificateAuthority(ca, { where: "ca", now });
});

test("signCertificate() makes certificates for one use, one name, and never beyond the authority's life", async () => {
  const { ca, publicKey, privateKey } = await site();
  const device = new X509Certificate(await signCertificate(ca, { name: "home-7/lamp", use: "client", publicKey, days: 36_500, now }));
  const issuer = new X509Certificate(ca.certificate);
  assert.deepEqual([device.subject, device.ca, await usesOf(device), device.validTo], ["CN=home-7/lamp", false, ["1.3.6.1.5.5.7.3.2"], issuer.validTo]);
  assert.ok(device.verify(issuer.publicKey) && device.checkIssued(issuer) && device.checkPrivateKey(privateKey));
  const server = new X509Certificate(await signCertificate(ca, { name: "localhost", use: "server", hosts: ["localhost", "127.0.0.1", "::1", "gw.example"], publicKey, days: 397, now }));
  assert.deepEqual([await usesOf(server), server.checkHost("gw.example"), server.checkIP("127.0.0.1"), server.checkHost("other.example")], [["1.3.6.1.5.5.7.3.1"], "gw.example", "127.0.0.1", undefined]);
  for (const bad of [{ name: "x".repeat(65) }, { name: "" }, { hosts: ["a b"] }, { hosts: ["a,DNS:b"] }]) await assert.rejects(signCertificate(ca, { name: "a", use: "server", publicKey, days: 1, now, ...bad }), RangeError);
});

test("openssl verifies them for their own use only", { skip: hasOpenssl ? false : "there is no openssl" }, async (t) => {
  const home = await mkdtemp(join(tmpdir(), "busbar-ca-"));
  t.after(() => rm(home, { recursive: true }));
  const { ca, publicKey } = await site();
  const file = (name: string): string => join(home, name);
  await writeFile(file("ca"), ca.certificate);
  await writeFile(file("device"), await signCertificate(ca, { name: "home-7", use: "client", publicKey, days: 365, now }));
  await writeFile(file("server"), await signCertificate(ca, { name: "gw", use: "server", hosts: ["gw.example"], publicKey, days: 397, now }));
  const verify = (...words: string[]) => run("openssl", ["verify", "-x509_strict", "-CAfile", file("ca"), ...words]).then(() => true, () => false);
  assert.deepEqual(await Promise.all([verify("-purpose", "sslclient", file("device")), verify("-purpose", "sslserver", "-verify_hostname", "gw.example", file("server"))]), [true, true]);
  assert.deepEqual(await Promise.all([verify("-purpose", "sslserver", file("device")), verify("-purpose", "sslclient", file("server")), verify("-purpose", "sslserver", "-verify_hostname", "other.example", file("server"))]), [false, false, false]);
});

test("checkCertificateAuthority() refuses what cannot sign", async () => {
  const { ca, publicKey, privateKey } = await site();
  const leaf = await signCertificate(ca, { name: "leaf", use: "client", publicKey, days: 1, now });
  const check = (pair: typeof ca, at = now) => () => checkCertificateAuthority(pair, { where: "ca", now: at });
  assert.throws(check({ certificate: leaf, key: privateKey }), { code: "CONFIG", message: /not that of an authority/ });
  assert.throws(check({ certificate: ca.certificate, key: privateKey }), { code: "CONFIG", message: /another certificate's/ });
  assert.throws(check({ certificate: "hello", key: ca.key }), { code: "CONFIG", message: /no certificate in PEM/ });
  assert.throws(check(ca, now + 3651 * 86_400_000), { code: "CONFIG", message: /expired/ });
});
