import { createHash, X509Certificate } from "node:crypto";

/** A certificate as people compare it. */
export interface CertificateText {
  /** SHA-256 of the DER bytes: lower case, hexadecimal, without colons. */
  readonly sha256: string;
  /** The same with SHA-1: what OPC UA calls the thumbprint (OPC 10000-6 §6.2.2). */
  readonly sha1: string;
  /** Such as `CN=press 7, O=Example`. */
  readonly subject: string;
  /** Milliseconds since the Unix epoch. */
  readonly validFrom: number;
  readonly validTo: number;
}

/** The first certificate of a chain of DER certificates that are put one behind the other (OPC 10000-6 §6.2.3). */
export function firstCertificate(chain: Uint8Array): Buffer {
  const bytes = Buffer.from(chain.buffer, chain.byteOffset, chain.byteLength);
  if (bytes.length < 4 || bytes[0] !== 0x30) return bytes;
  const long = bytes[1]! & 0x7f;
  const length = bytes[1]! < 0x80 ? bytes[1]! + 2 : long <= 4 && bytes.length > long + 2 ? bytes.readUIntBE(2, long) + 2 + long : bytes.length;
  return bytes.subarray(0, length);
}

/** What there is to say about a certificate, DER. @throws {Error} when it is none. */
export function describeCertificate(der: Uint8Array): CertificateText {
  const certificate = new X509Certificate(der);
  const digest = (algorithm: string): string => createHash(algorithm).update(der).digest("hex");
  return { sha256: digest("sha256"), sha1: digest("sha1"), subject: certificate.subject.replaceAll("\n", ", "), validFrom: Date.parse(certificate.validFrom), validTo: Date.parse(certificate.validTo) };
}

/** The DER bytes in a file's bytes, PEM or DER; undefined when it is neither. */
export function certificateBytes(file: Uint8Array): Buffer | undefined {
  if (file[0] === 0x30) return Buffer.from(file);
  const pem = /-----BEGIN CERTIFICATE-----([^-]+)-----END CERTIFICATE-----/.exec(Buffer.from(file).toString("latin1"))?.[1];
  return pem === undefined ? undefined : Buffer.from(pem, "base64");
}

/** A fingerprint without colons, spaces and capitals, when the text is one of SHA-1 or SHA-256; else undefined. */
export function parseFingerprint(text: string): string | undefined {
  const bare = text.replace(/[:\s]/g, "").toLowerCase();
  return /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(bare) ? bare : undefined;
}
