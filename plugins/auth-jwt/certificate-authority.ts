import { createPrivateKey, createPublicKey, randomBytes, webcrypto, X509Certificate, type KeyObject } from "node:crypto";
import { isIP } from "node:net";
import { BusbarError } from "@busbar/core";
import { loadX509 } from "./x509.ts";

const day = 86_400_000;
/** Certificates count from this long ago: clocks of devices may run behind. */
const backdated = 3_600_000;
const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
/** X.520 allows a CN so many characters (RFC 5280 appendix A.1, ub-common-name). */
const longestName = 64;

/** A certificate and its private key, both PEM. */
export interface CertifiedKey {
  readonly certificate: string;
  readonly key: KeyObject;
}

/** What a certificate is to say. */
export interface CertificateRequest {
  /** The subject's CN. */
  readonly name: string;
  /** What its holder does in TLS: answers as a server, or calls as a client. Nothing else is allowed to it. */
  readonly use: "server" | "client";
  /** DNS names and IP addresses of a server. */
  readonly hosts?: readonly string[];
  readonly publicKey: KeyObject;
  /** Days it is good for, never beyond the authority's own. */
  readonly days: number;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
}

/** Makes a key on P-256. */
export async function createKey(): Promise<{ readonly privateKey: KeyObject; readonly publicKey: KeyObject }> {
  const { privateKey } = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const key = createPrivateKey({ key: Buffer.from(await webcrypto.subtle.exportKey("pkcs8", privateKey)), format: "der", type: "pkcs8" });
  return { privateKey: key, publicKey: createPublicKey(key) };
}

/** Makes a certificate authority that signs itself: it may sign certificates, but no further authorities. `days` and `now` as in CertificateRequest. */
export async function createCertificateAuthority({ name, days, now }: { readonly name: string; readonly days: number; readonly now: number }): Promise<CertifiedKey> {
  const { X509CertificateGenerator, BasicConstraintsExtension, KeyUsagesExtension, KeyUsageFlags, SubjectKeyIdentifierExtension } = await loadX509();
  const { privateKey, publicKey } = await createKey();
  const keys = { privateKey: await importPrivate(privateKey), publicKey: await importPublic(publicKey) };
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ CN: [checkName(name)] }],
    notBefore: new Date(now - backdated),
    notAfter: new Date(now + days * day),
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: certificate.toString("pem") + "\n", key: privateKey };
}

/**
 * Checks that a certificate is that of an authority and the key is its own. Costs nothing but the check: the library is not loaded for it.
 * @throws {BusbarError} CONFIG saying what is wrong.
 */
export function checkCertificateAuthority({ certificate, key }: CertifiedKey, { where, now }: { readonly where: string; readonly now: number }): void {
  const unfit = (state: string, cause?: unknown): BusbarError => new BusbarError("CONFIG", `Cannot sign with ${where}: ${state}`, { cause });
  let parsed: X509Certificate;
  try {
    parsed = new X509Certificate(certificate);
  } catch (cause) {
    throw unfit("it is no certificate in PEM", cause);
  }
  if (!parsed.ca) throw unfit("its certificate is not that of an authority");
  if (key.asymmetricKeyType !== "ec" || key.asymmetricKeyDetails?.namedCurve !== "prime256v1") throw unfit("its key is not on P-256, as `busbar cert ca` makes it");
  if (!parsed.checkPrivateKey(key)) throw unfit("its key is another certificate's");
  if (Date.parse(parsed.validTo) <= now) throw unfit(`it expired on ${parsed.validTo}`);
}

/**
 * Signs a certificate; gives it as PEM.
 * @throws {RangeError} for a name of more than 64 characters or a host that is none.
 */
export async function signCertificate(authority: CertifiedKey, request: CertificateRequest): Promise<string> {
  const library = await loadX509();
  const issuer = new library.X509Certificate(authority.certificate);
  const publicKey = await importPublic(request.publicKey);
  const notAfter = new Date(Math.min(request.now + request.days * day, issuer.notAfter.getTime()));
  const certificate = await library.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: [{ CN: [checkName(request.name)] }],
    issuer: issuer.subject,
    notBefore: new Date(request.now - backdated),
    notAfter,
    publicKey,
    signingKey: await importPrivate(authority.key),
    signingAlgorithm: algorithm,
    extensions: [
      new library.BasicConstraintsExtension(false, undefined, true),
      new library.KeyUsagesExtension(library.KeyUsageFlags.digitalSignature, true),
      new library.ExtendedKeyUsageExtension([library.ExtendedKeyUsage[request.use === "server" ? "serverAuth" : "clientAuth"]], false),
      await library.SubjectKeyIdentifierExtension.create(publicKey),
      await library.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
      ...(request.hosts?.length ? [new library.SubjectAlternativeNameExtension(request.hosts.map(hostName))] : []),
    ],
  });
  return certificate.toString("pem") + "\n";
}

/** As a name of the SAN (RFC 5280 §4.2.1.6). */
function hostName(host: string): { type: "ip" | "dns"; value: string } {
  if (isIP(host)) return { type: "ip", value: host };
  if (/^(?:\*\.)?(?!-)[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*$/.test(host) && host.length <= 253) return { type: "dns", value: host };
  throw new RangeError(`Cannot make a certificate: "${host.slice(0, 80)}" is neither a host name nor an IP address`);
}

function checkName(name: string): string {
  if (name.length >= 1 && name.length <= longestName) return name;
  throw new RangeError(`Cannot make a certificate: its name has ${name.length} characters, 1 to ${longestName} are allowed`);
}

/** 126 random bits, positive and never beginning with a zero byte (RFC 5280 §4.1.2.2). */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return bytes.toString("hex");
}

async function importPrivate(key: KeyObject): Promise<webcrypto.CryptoKey> {
  return await webcrypto.subtle.importKey("pkcs8", key.export({ type: "pkcs8", format: "der" }), algorithm, true, ["sign"]);
}

async function importPublic(key: KeyObject): Promise<webcrypto.CryptoKey> {
  const { PublicKey } = await loadX509();
  return await new PublicKey(key.export({ type: "spki", format: "der" })).export();
}
