import { createPrivateKey, X509Certificate } from "node:crypto";
import { stat } from "node:fs/promises";
import { BusbarError } from "../errors.ts";
import { readConfigFile } from "./config-file.ts";

/** Absolute paths of what a listener's TLS is made of. */
export interface TlsPaths {
  readonly cert: string;
  readonly key: string;
  /** The authorities of client certificates. */
  readonly ca?: string | undefined;
}

/** What stood in the files, checked. */
export interface TlsFiles {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca: Buffer | undefined;
  /** The certificate itself, followed by those that lead to its authority. */
  readonly chain: readonly [X509Certificate, ...X509Certificate[]];
  readonly authorities: readonly X509Certificate[];
}

/** What clients take (NIST SP 800-131A rev. 2 §3). */
const shortestModulus = 2048;

/**
 * Reads the files and finds out what is wrong with them before the first client does: neither runtime looks at `ca`, and Deno at nothing at all.
 * @throws {BusbarError} CONFIG when a file cannot be read, is not PEM of its kind, or the key is too short or not the certificate's.
 */
export async function readTlsFiles(paths: TlsPaths): Promise<TlsFiles> {
  const [cert, key, ca] = await Promise.all([
    readConfigFile(paths.cert, "certificate"),
    readConfigFile(paths.key, "private key"),
    paths.ca === undefined ? undefined : readConfigFile(paths.ca, "certificate of the authority"),
  ]);
  const chain = parseCertificates(cert, { what: "certificate", file: paths.cert });
  const authorities = ca === undefined ? [] : parseCertificates(ca, { what: "certificate of the authority", file: paths.ca! });
  if (!fits(chain[0], key, paths)) throw new BusbarError("CONFIG", `Cannot use the certificate "${paths.cert}" with the key "${paths.key}": they do not belong together`);
  const bits = chain[0].publicKey.asymmetricKeyDetails?.modulusLength;
  if (bits !== undefined && bits < shortestModulus) throw new BusbarError("CONFIG", `Cannot use the certificate "${paths.cert}": its RSA key has ${bits} bits, at least ${shortestModulus} are needed`);
  return { cert, key, ca, chain, authorities };
}

/**
 * Tells one state of the files from another without reading them: what a link points to counts, as Kubernetes swaps the link to a whole folder. `changed`: when one of them last did, ms since the Unix epoch; the
 * times of files advance in steps, so a state as young as that may be followed by one that looks the same.
 */
export async function fingerprintFiles({ cert, key, ca }: TlsPaths): Promise<{ readonly state: string; readonly changed: number }> {
  let changed = 0;
  const states = [cert, key, ...(ca === undefined ? [] : [ca])].map(async (file) => {
    try {
      const { ino, size, mtimeMs, ctimeMs } = await stat(file);
      changed = Math.max(changed, mtimeMs, ctimeMs);
      return `${ino}:${size}:${mtimeMs}:${ctimeMs}`;
    } catch (error) {
      return String((error as NodeJS.ErrnoException).code);
    }
  });
  return { state: (await Promise.all(states)).join(" "), changed };
}

/** Whether each certificate was issued by the one that follows it (RFC 8446 §4.4.2 asks for that order); clients may refuse another order. */
export function isInOrder(chain: readonly X509Certificate[]): boolean {
  return chain.every((one, at) => at === chain.length - 1 || one.checkIssued(chain[at + 1]!));
}

/** When the first of them expires, ms since the Unix epoch. */
export function earliestExpiry(certificates: readonly X509Certificate[]): number {
  return Math.min(...certificates.map(({ validTo }) => Date.parse(validTo)));
}

const block = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** Every certificate of a PEM file. A block without its end is a file that is being written. */
function parseCertificates(pem: Buffer, { what, file }: { readonly what: string; readonly file: string }): [X509Certificate, ...X509Certificate[]] {
  const text = pem.toString("latin1");
  const blocks = text.match(block) ?? [];
  const begun = text.match(/-----BEGIN CERTIFICATE-----/g)?.length ?? 0;
  const unusable = (why: string, cause?: unknown): BusbarError => new BusbarError("CONFIG", `Cannot use the ${what} "${file}": ${why}`, { cause });
  if (begun === 0) throw unusable("it is no PEM file of certificates");
  if (begun !== blocks.length) throw unusable("it ends within a certificate");
  try {
    return blocks.map((one) => new X509Certificate(one)) as [X509Certificate, ...X509Certificate[]];
  } catch (cause) {
    throw unusable("a certificate in it is damaged", cause);
  }
}

function fits(leaf: X509Certificate, key: Buffer, { key: file }: TlsPaths): boolean {
  let parsed;
  try {
    parsed = createPrivateKey(key);
  } catch (cause) {
    const encrypted = key.includes("ENCRYPTED");
    throw new BusbarError("CONFIG", `Cannot use the private key "${file}": ${encrypted ? "it is encrypted, which is not supported" : "it is no PEM file of a key"}`, { cause });
  }
  return leaf.checkPrivateKey(parsed);
}
