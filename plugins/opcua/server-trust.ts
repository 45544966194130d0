import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BusbarError, readConfigFile, type Log } from "@busbar/core";
import { OPCUACertificateManager } from "node-opcua-certificate-manager";
import { certificateBytes, describeCertificate, firstCertificate, parseFingerprint, type CertificateText } from "./certificate-text.ts";

/** By what a server's certificate is judged. */
export interface ServerTrust {
  /** The PKI folder: `trusted/certs`, `trusted/crl`, `issuers/certs`, `issuers/crl` and `rejected` in it. */
  readonly pki: string;
  /** Fingerprints, and absolute paths of certificate files. */
  readonly trusted: readonly string[];
  readonly acceptUnknown: boolean;
  /** The instance, to say in which section what can be changed. */
  readonly instance: string;
  readonly url: string;
  readonly log: Log;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
}

/**
 * Judges the certificate of a server (a chain, DER). Trusted is one that the config names, that lies in `trusted/certs`, or that an authority there has signed and not revoked. Any
 * other is written to `rejected`. The folders are read anew each time, so a file that is moved to `trusted/certs` counts at the next attempt to connect.
 * @throws {BusbarError} UNAUTHENTICATED, retryable, saying what to do.
 */
export async function checkServerCertificate(chain: Uint8Array, trust: ServerTrust): Promise<void> {
  const certificate = firstCertificate(chain);
  const text = describe(certificate, trust);
  const named = await namedCertificates(trust.trusted);
  if (named.has(text.sha256) || named.has(text.sha1)) {
    if (trust.now > text.validTo || trust.now < text.validFrom) trust.log.warn("the server's certificate is out of date; it is trusted by name", { subject: text.subject, validTo: new Date(text.validTo).toISOString() });
    return;
  }
  const status = await judge(Buffer.from(chain), trust.pki);
  if (status === "Good") return;
  if (trust.acceptUnknown) return trust.log.warn("the server's certificate is not trusted and accepted all the same: acceptUnknownServers is true", { subject: text.subject, sha256: text.sha256, status });
  const file = await keepRejected(certificate, { pki: trust.pki, text });
  throw new BusbarError(
    "UNAUTHENTICATED",
    `Cannot trust the server at ${trust.url}: its certificate "${text.subject}", valid until ${new Date(text.validTo).toISOString().slice(0, 10)}, is refused (${status}). Compare its SHA-256 fingerprint ` +
      `${text.sha256} with the one that the device shows; to accept it, put that into plugins.${trust.instance}.trustedServers, or move "${file}" to "${join(trust.pki, "trusted/certs")}", or run: busbar probe opcua ${trust.url} --trust`,
    { retryable: true },
  );
}

/** Puts a certificate (DER) where `checkServerCertificate` finds it trusted, and takes it out of `rejected`. Returns the fingerprint and the rest of what it says. */
export async function trustServerCertificate(chain: Uint8Array, pki: string): Promise<CertificateText> {
  const certificate = firstCertificate(chain);
  const manager = await openManager(pki);
  try {
    await manager.trustCertificate(certificate);
  } finally {
    await manager.dispose();
  }
  return describeCertificate(certificate);
}

function describe(certificate: Buffer, { url }: ServerTrust): CertificateText {
  try {
    return describeCertificate(certificate);
  } catch (cause) {
    throw new BusbarError("UNAUTHENTICATED", `Cannot trust the server at ${url}: what it shows is no certificate`, { cause, retryable: true });
  }
}

/** The fingerprints in the list, and those of the files in it. */
async function namedCertificates(trusted: readonly string[]): Promise<ReadonlySet<string>> {
  const fingerprints = await Promise.all(trusted.map(async (entry) => {
    const fingerprint = parseFingerprint(entry);
    if (fingerprint !== undefined) return fingerprint;
    const bytes = certificateBytes(await readConfigFile(entry, "trusted server certificate"));
    if (bytes === undefined) throw new BusbarError("CONFIG", `Cannot trust the certificate in "${entry}": it is neither PEM nor DER`);
    return describeCertificate(firstCertificate(bytes)).sha256;
  }));
  return new Set(fingerprints);
}

async function judge(chain: Buffer, pki: string): Promise<string> {
  const manager = await openManager(pki);
  try {
    return await manager.verifyCertificate(chain, { acceptCertificateWithValidIssuerChain: true });
  } finally {
    await manager.dispose();
  }
}

async function openManager(pki: string): Promise<OPCUACertificateManager> {
  await mkdir(pki, { recursive: true });
  const manager = new OPCUACertificateManager({ rootFolder: pki, automaticallyAcceptUnknownCertificate: false, disableFileWatchers: true });
  await manager.initialize();
  return manager;
}

/** Not by the library: it moves a file that it has to find again under a name of its own. */
async function keepRejected(certificate: Buffer, { pki, text }: { readonly pki: string; readonly text: CertificateText }): Promise<string> {
  const folder = join(pki, "rejected");
  const name = /(?:^|, )CN=([^,]+)/.exec(text.subject)?.[1]?.replace(/[^A-Za-z0-9._-]+/g, "-").slice(0, 64) ?? "server";
  const file = join(folder, `${name}[${text.sha1}].pem`);
  const lines = certificate.toString("base64").match(/.{1,64}/g) ?? [];
  await mkdir(folder, { recursive: true });
  await writeFile(file, `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`);
  return file;
}
