import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { createLog, systemClock, type LogRecord } from "@busbar/core";
import { makeCertificate, writeCertificate } from "@busbar/core/testkit";
import { OPCUAClient, type EndpointDescription } from "node-opcua-client";
import { describeCertificate, firstCertificate, parseFingerprint } from "./certificate-text.ts";
import { chooseEndpoint, clientOptions, readEndpoints } from "./endpoint.ts";
import { openOwnCertificate, type OwnCertificate } from "./own-certificate.ts";
import { openConnection, type ConnectionSettings } from "./server-connection.ts";
import { securityPolicies, type SecurityWish } from "./security-policy.ts";
import { openOpcuaFixture, type OpcuaFixture } from "./testing/opcua-fixture.ts";
import { carryIssuedToken } from "./user-identity.ts";

/*
 * One server with every policy that node-opcua's has, for the whole file: keys take long to make.
 */
const folder = mkdtempSync(join(tmpdir(), "busbar-opcua-client-"));
const pki = join(folder, "pki");
const signal = new AbortController().signal;
const records: LogRecord[] = [];
let fixture: OpcuaFixture;
let own: OwnCertificate;

before(async () => {
  [fixture, own] = await Promise.all([openOpcuaFixture({ users: { operator: "a long password" } }), openOwnCertificate(pki, { applicationUri: "urn:test:busbar", now: Date.now() })]);
});

after(async () => {
  await fixture.close();
  rmSync(folder, { recursive: true, force: true });
});

const auto: SecurityWish = { policy: "auto", mode: "auto" };
const none: SecurityWish = { policy: "None", mode: "auto" };

function settings(more: Partial<Omit<ConnectionSettings, "trust">> & { readonly trusted?: readonly string[]; readonly acceptUnknown?: boolean } = {}): ConnectionSettings {
  const { trusted = [], acceptUnknown = false, ...rest } = more;
  const log = createLog({ clock: systemClock, level: "debug", write: (record) => void records.push(record) });
  return { url: fixture.url, own, timeout: 10_000, security: auto, user: undefined, log, now: Date.now, trust: { pki, trusted, acceptUnknown, instance: "press" }, ...rest };
}

/** Connects, reads the server's clock, and says what the channel was secured with. */
async function offerOf(more?: Parameters<typeof settings>[0]): Promise<string> {
  const connection = await openConnection(settings(more), { previous: undefined, signal });
  try {
    const { value } = await connection.session.read({ nodeId: "i=2258" });
    assert.ok(value.value instanceof Date);
    return `${connection.offer.policy} ${connection.offer.mode}`;
  } finally {
    await connection.close();
  }
}

const serverCertificate = (): Buffer => firstCertificate(fixture.server.getCertificateChain()[0]!);

test("openOwnCertificate() makes one certificate for all who share a folder, and finds it again", async () => {
  const shared = join(folder, "shared");
  const made = await Promise.all([1, 2].map(() => openOwnCertificate(shared, { applicationUri: undefined, now: Date.now() })));
  const again = await openOwnCertificate(shared, { applicationUri: "urn:other", now: Date.now() });
  for (const one of [made[1]!, again]) assert.deepEqual(one.getCertificate(), made[0]!.getCertificate());
  assert.match(again.applicationUri, /^urn:.+:busbar$/);
  assert.deepEqual(readdirSync(join(shared, "own/certs")), ["busbar.pem"]);
});

test("openConnection() refuses a server that nobody trusts and says how to accept it", async () => {
  const { sha256 } = describeCertificate(serverCertificate());
  await assert.rejects(offerOf(), (error: Error) => {
    assert.match(error.message, /^Cannot trust the server at opc\.tcp:\/\/127\.0\.0\.1:\d+: its certificate ".*CN=NodeOPCUA.*", valid until 20\d\d-\d\d-\d\d, is refused \(BadCertificateUntrusted\)/);
    assert.ok(error.message.includes(sha256) && error.message.includes("plugins.press.trustedServers") && error.message.includes("busbar probe opcua"));
    return true;
  });
  const [rejected, ...more] = readdirSync(join(pki, "rejected"));
  assert.equal(more.length, 0);
  assert.deepEqual(new Uint8Array(Buffer.from(readFileSync(join(pki, "rejected", rejected!), "latin1").replace(/-----[^-]+-----/g, ""), "base64")), new Uint8Array(serverCertificate()));
});

test("openConnection() trusts by fingerprint, by file, by the trusted folder, and all when told so", async () => {
  const { sha256, sha1 } = describeCertificate(serverCertificate());
  const [rejected] = readdirSync(join(pki, "rejected"));
  const file = join(pki, "rejected", rejected!);
  assert.equal(await offerOf({ trusted: [sha256.toUpperCase().replace(/..(?!$)/g, "$&:")] }), "Aes256_Sha256_RsaPss SignAndEncrypt");
  assert.equal(await offerOf({ trusted: [sha1] }), "Aes256_Sha256_RsaPss SignAndEncrypt");
  assert.equal(await offerOf({ trusted: [file] }), "Aes256_Sha256_RsaPss SignAndEncrypt");
  await assert.rejects(offerOf({ trusted: [own.file] }), /Cannot trust/);
  assert.equal(await offerOf({ acceptUnknown: true }), "Aes256_Sha256_RsaPss SignAndEncrypt");
  assert.ok(records.some(({ level, message }) => level === "warn" && message.includes("acceptUnknownServers is true")));
  renameSync(file, join(pki, "trusted/certs", rejected!));
  assert.equal(await offerOf(), "Aes256_Sha256_RsaPss SignAndEncrypt");
});

test("openConnection() secures the channel as asked, with each policy that the server has", async () => {
  for (const policy of ["Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"] as const) {
    for (const mode of ["Sign", "SignAndEncrypt"] as const) assert.equal(await offerOf({ security: { policy, mode } }), `${policy} ${mode}`);
  }
  assert.equal(await offerOf({ security: none }), "None None");
  await assert.rejects(offerOf({ security: { policy: "Basic256", mode: "auto" } }), /wanted is Basic256 for a user of kind Anonymous, offered is None \(/);
});

test("openConnection() secures the channel with the deprecated policies where they are named", async () => {
  const old = await openOpcuaFixture({ server: { securityPolicies: securityPolicies.slice(0, 3).map((name) => `http://opcfoundation.org/UA/SecurityPolicy#${name}`) as never } });
  try {
    for (const policy of ["Basic128Rsa15", "Basic256"] as const) assert.equal(await offerOf({ url: old.url, acceptUnknown: true, security: { policy, mode: "auto" } }), `${policy} SignAndEncrypt`);
    await assert.rejects(offerOf({ url: old.url, acceptUnknown: true }), /wanted is a security policy that is not deprecated .* say security: \{ policy: None \}/);
  } finally {
    await old.close();
  }
});

test("openConnection() knows users by password and by certificate, and says when the server refuses one", async () => {
  assert.equal(await offerOf({ user: { name: "operator", password: "a long password" } }), "Aes256_Sha256_RsaPss SignAndEncrypt");
  await assert.rejects(offerOf({ user: { name: "operator", password: "wrong" } }), { code: "UNAUTHENTICATED", message: /the server refuses the user/ });
  await writeCertificate(folder, "person", makeCertificate({ name: "person", rsaBits: 2048 }));
  assert.equal(await offerOf({ user: { certFile: join(folder, "person.pem"), keyFile: join(folder, "person.key") } }), "Aes256_Sha256_RsaPss SignAndEncrypt");
});

test("openConnection() warns of a password that everybody can read", async () => {
  const endpoints = await readEndpoints(settings(), signal);
  const plain = endpoints.find(({ securityPolicyUri }) => securityPolicyUri?.endsWith("#None"))!;
  assert.ok(plain.userIdentityTokens?.length);
  records.length = 0;
  assert.equal(await offerOf({ security: none, user: { name: "operator", password: "a long password" } }), "None None");
  const encrypts = plain.userIdentityTokens.some(({ tokenType, securityPolicyUri }) => tokenType === 1 && securityPolicyUri !== null && securityPolicyUri !== "" && !securityPolicyUri.endsWith("#None"));
  assert.equal(records.some(({ message }) => message.includes("plain text")), !encrypts);
});

test("carryIssuedToken() puts the secret, encrypted, into an issued token", async () => {
  const endpoints = await readEndpoints(settings(), signal);
  const { endpoint } = chooseEndpoint(endpoints, { wish: auto, tokenType: 0, url: fixture.url });
  const issued = Object.assign(Object.create(Object.getPrototypeOf(endpoint) as object), endpoint, { userIdentityTokens: [{ policyId: "jwt", tokenType: 3, securityPolicyUri: null }] }) as EndpointDescription;
  assert.equal(chooseEndpoint([issued], { wish: auto, tokenType: 3, url: fixture.url }).endpoint, issued);
  const client = OPCUAClient.create(clientOptions(settings()));
  carryIssuedToken(client);
  const inner = client as unknown as { createUserIdentityToken(context: unknown, user: unknown, done: (error: Error | null, data: { userIdentityToken: { policyId: string; tokenData: Buffer; encryptionAlgorithm: string } }) => void): void };
  const context = { endpoint: issued, securityPolicy: endpoint.securityPolicyUri, serverCertificate: endpoint.serverCertificate, serverNonce: Buffer.alloc(32, 7) };
  const token = await new Promise<{ policyId: string; tokenData: Buffer; encryptionAlgorithm: string }>((resolve, reject) =>
    inner.createUserIdentityToken(context, { type: 1, userName: "", password: "a.jwt.token" }, (error, data) => (error ? reject(error) : resolve(data.userIdentityToken))));
  assert.deepEqual([token.policyId, token.constructor.name, token.encryptionAlgorithm], ["jwt", "IssuedIdentityToken", "http://opcfoundation.org/UA/security/rsa-oaep-sha2-256"]);
  assert.ok(token.tokenData.length >= 256 && !token.tokenData.includes("a.jwt.token"));
});

test("openConnection() says in one line why nothing can be reached", async () => {
  await assert.rejects(offerOf({ url: "opc.tcp://127.0.0.1:1" }), { code: "UNAVAILABLE", message: "Cannot connect to opc.tcp://127.0.0.1:1: nothing listens there" });
});

test("parseFingerprint() takes SHA-1 and SHA-256 in the usual notations", () => {
  assert.equal(parseFingerprint("AB:".repeat(19) + "cd"), "ab".repeat(19) + "cd");
  assert.equal(parseFingerprint("ab ".repeat(32)), "ab".repeat(32));
  assert.equal(parseFingerprint("certs/press.pem"), undefined);
});
