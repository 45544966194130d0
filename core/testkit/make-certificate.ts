import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { isIP } from "node:net";
import { join } from "node:path";

/** A certificate and its key, both PEM. */
export interface TestCertificate {
  readonly cert: string;
  readonly key: string;
  /** The SHA-256 of the certificate as `node:tls` writes it. */
  readonly fingerprint: string;
  /** What signs others with it. */
  readonly signer: { readonly name: string; readonly privateKey: KeyObject };
}

/** What a certificate says. Nothing is checked: a test may want one that no authority would sign. */
export interface CertificateSpec {
  /** The subject's CN. */
  readonly name: string;
  /** Who signs it. Default: itself. */
  readonly issuer?: TestCertificate;
  /** Whether it may sign others. Default false. */
  readonly ca?: boolean;
  /** Names and IPv4 addresses of the SAN, whatever stands in them. Default 127.0.0.1 and localhost. */
  readonly names?: readonly string[];
  /** ms since the Unix epoch. Default: a day ago. */
  readonly notBefore?: number;
  /** ms since the Unix epoch. Default: in 90 days. */
  readonly notAfter?: number;
  /** Makes the key RSA with so many bits. Default: EC on P-256. */
  readonly rsaBits?: number;
}

const day = 86_400_000;

/** Makes a certificate and its key without a program that not every machine has (RFC 5280 §4.1). */
export function makeCertificate(spec: CertificateSpec): TestCertificate {
  const { name, issuer, ca = false, names = ["127.0.0.1", "localhost"], notBefore = Date.now() - day, notAfter = Date.now() + 90 * day, rsaBits } = spec;
  const { publicKey, privateKey } = rsaBits === undefined ? generateKeyPairSync("ec", { namedCurve: "P-256" }) : generateKeyPairSync("rsa", { modulusLength: rsaBits });
  const signer = issuer?.signer ?? { name, privateKey };
  const algorithm = sequence(...(signer.privateKey.asymmetricKeyType === "rsa" ? [oid("1.2.840.113549.1.1.11"), der(0x05)] : [oid("1.2.840.10045.4.3.2")]));
  const extensions = [
    extension("2.5.29.19", sequence(...(ca ? [der(0x01, [Buffer.of(0xff)])] : []))),
    ...(ca ? [] : [extension("2.5.29.37", sequence(oid("1.3.6.1.5.5.7.3.1"), oid("1.3.6.1.5.5.7.3.2")))]),
    ...(ca || names.length === 0 ? [] : [extension("2.5.29.17", sequence(...names.map(generalName)))]),
  ];
  const body = sequence(
    der(0xa0, [der(0x02, [Buffer.of(2)])]),
    der(0x02, [Buffer.concat([Buffer.of(1), randomBytes(8)])]),
    algorithm,
    distinguishedName(signer.name),
    sequence(time(notBefore), time(notAfter)),
    distinguishedName(name),
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, [sequence(...extensions)]),
  );
  const whole = sequence(body, algorithm, der(0x03, [Buffer.of(0), sign("sha256", body, signer.privateKey)]));
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${whole.toString("base64").replace(/.{1,64}/g, "$&\n")}-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    fingerprint: createHash("sha256").update(whole).digest("hex").toUpperCase().replace(/..(?!$)/g, "$&:"),
    signer: { name, privateKey },
  };
}

/** Writes `<name>.pem` and `<name>.key` into a folder. */
export async function writeCertificate(folder: string, name: string, { cert, key }: Pick<TestCertificate, "cert" | "key">): Promise<void> {
  await writeFile(join(folder, `${name}.pem`), cert);
  await writeFile(join(folder, `${name}.key`), key, { mode: 0o600 });
}

/** One DER value (X.690 §8.1). */
function der(tag: number, parts: readonly Uint8Array[] = []): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...size), content]);
}

const sequence = (...parts: readonly Uint8Array[]): Buffer => der(0x30, parts);

function oid(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split(".").map(Number);
  const bytes = [first * 40 + second, ...rest].flatMap((arc) => {
    const groups = [arc & 0x7f];
    for (let left = arc >>> 7; left > 0; left >>>= 7) groups.unshift((left & 0x7f) | 0x80);
    return groups;
  });
  return der(0x06, [Buffer.from(bytes)]);
}

const distinguishedName = (name: string): Buffer => sequence(der(0x31, [sequence(oid("2.5.4.3"), der(0x0c, [Buffer.from(name)]))]));

/** UTCTime, from 2050 on GeneralizedTime (RFC 5280 §4.1.2.5). */
function time(at: number): Buffer {
  const text = new Date(at).toISOString().replace(/[-:T]|\.\d+/g, "");
  return text >= "2050" ? der(0x18, [Buffer.from(text)]) : der(0x17, [Buffer.from(text.slice(2))]);
}

const generalName = (name: string): Buffer => (isIP(name) === 4 ? der(0x87, [Buffer.from(name.split(".").map(Number))]) : der(0x82, [Buffer.from(name)]));

/** Critical where it says whether the certificate may sign others. */
function extension(id: string, value: Buffer): Buffer {
  return sequence(oid(id), ...(id === "2.5.29.19" ? [der(0x01, [Buffer.of(0xff)])] : []), der(0x04, [value]));
}
