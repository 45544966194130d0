import { createHash, createPublicKey, createSecretKey, type KeyObject, type webcrypto } from "node:crypto";
import { BusbarError, openSecretFile, readKeyText, readSecretFile } from "@busbar/core";
import type { AuthJwtConfig } from "./config-schema.ts";

/** What a token may be signed with. */
export type TokenAlgorithm = "HS256" | "RS256" | "ES256" | "EdDSA";

/** What tokens of a key are believed; what is absent is not limited. */
export interface KeyTrust {
  /** The roles that they may give. */
  readonly roles?: readonly string[] | undefined;
  /** They are for this id, or for one below it. */
  readonly within?: string | undefined;
  /** Their `iss`. */
  readonly issuer?: string | undefined;
  /** Their `aud`; absent: the one of WIRE §6. */
  readonly audience?: string | undefined;
}

/** A key and the one algorithm it is used with. What a token says about its algorithm never changes that. */
export interface PinnedKey extends KeyTrust {
  readonly algorithm: TokenAlgorithm;
  readonly kid?: string | undefined;
  /** A KeyObject is used through jsonwebtoken, a CryptoKey through jose. */
  readonly key: KeyObject | webcrypto.CryptoKey;
  /** Names the key, and whose it is, for `Principal.voucher`. */
  readonly voucher?: string;
}

/** RFC 7518 §3.2 asks of HS256 a key at least as long as the hash, §3.3 of RS256 at least 2048 bits. */
const shortestSecret = 32;
const shortestModulus = 2048;

/**
 * Loads the key that signs our own tokens, and makes it when its file does not exist; undefined when the config has none.
 * @throws {BusbarError} CONFIG when the secret is too short or others have access to it, IO when the file cannot be read or made.
 */
export async function openSigningKey(keyFile: string | false): Promise<{ readonly pinned: PinnedKey & { readonly key: KeyObject }; readonly created: boolean } | undefined> {
  if (keyFile === false) return undefined;
  const { secret, created } = await openSecretFile(keyFile);
  return { pinned: { algorithm: "HS256", key: pinSecret(secret, `keyFile "${keyFile}"`), voucher: voucherOf(secret) }, created };
}

/**
 * Loads a key of the config's `keys`. `at` is its place in the list, for the message; `path` makes its file name absolute.
 * @throws {BusbarError} CONFIG when it does not fit its algorithm or is too weak, IO when its file cannot be read.
 */
export async function loadKey(entry: AuthJwtConfig["keys"][number], options: { readonly at: number; readonly path: (file: string) => string }): Promise<PinnedKey> {
  const { algorithm, kid, roles, within } = entry;
  const where = `keys[${options.at}]`;
  if (entry.algorithm === "HS256") {
    const secret = entry.secretFile === undefined ? Buffer.from(entry.secret ?? "", "utf8") : await readSecretFile(options.path(entry.secretFile));
    return { algorithm, kid, roles, within, key: pinSecret(secret, where), voucher: voucherOf(secret, entry) };
  }
  const pem = entry.publicKeyFile === undefined ? (entry.publicKey ?? "") : await readKeyText(options.path(entry.publicKeyFile));
  const key = pinPublicKey(pem, entry.algorithm, where);
  const voucher = voucherOf(key.export({ type: "spki", format: "der" }), entry);
  if (entry.algorithm !== "EdDSA") return { algorithm, kid, roles, within, key, voucher };
  const { importSPKI } = await import("jose"); // jsonwebtoken knows no EdDSA; loaded only where it is needed, as it takes some 10 MB
  return { algorithm, kid, roles, within, key: await importSPKI(key.export({ type: "spki", format: "pem" }).toString(), "EdDSA"), voucher };
}

/** The text that names a key of the config and what it is believed: a key that is taken out, or believed less or more, ends the sessions of its tokens, whatever its place or kid was. */
function voucherOf(material: Uint8Array, { roles, within }: KeyTrust = {}): string {
  const trust = roles === undefined && within === undefined ? "" : JSON.stringify([roles ?? null, within ?? null]);
  return `key ${createHash("sha256").update("busbar key\0").update(material).update(trust).digest("base64url")}`;
}

function pinSecret(secret: Uint8Array, where: string): KeyObject {
  if (secret.length < shortestSecret) throw new BusbarError("CONFIG", `Cannot use ${where} for HS256: the secret has ${secret.length} bytes, at least ${shortestSecret} are needed`);
  // Whoever knows a public key could sign with it: the confusion of RFC 8725 §2.1, brought about by the config itself.
  if (Buffer.from(secret).includes("-----BEGIN ")) throw new BusbarError("CONFIG", `Cannot use ${where} for HS256: it is a key or certificate in PEM, not a secret`);
  return createSecretKey(secret);
}

function pinPublicKey(pem: string, algorithm: Exclude<TokenAlgorithm, "HS256">, where: string): KeyObject {
  const unfit = (state: string, cause?: unknown): BusbarError => new BusbarError("CONFIG", `Cannot use ${where} for ${algorithm}: ${state}`, { cause });
  if (pem.includes("PRIVATE KEY")) throw unfit("it is a private key; only the public key belongs here");
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch (error) {
    throw unfit("it is not a public key in PEM", error);
  }
  const problem = misfit(key, algorithm);
  if (problem !== undefined) throw unfit(problem);
  return key;
}

/** Why a public key cannot be used with an algorithm; undefined when it can. */
export function misfit(key: KeyObject, algorithm: Exclude<TokenAlgorithm, "HS256">): string | undefined {
  const type = key.asymmetricKeyType;
  const { modulusLength, namedCurve } = key.asymmetricKeyDetails ?? {};
  const is = `it is a key of type ${type}${namedCurve === undefined ? "" : ` on ${namedCurve}`}`;
  switch (algorithm) {
    case "RS256":
      if (type !== "rsa") return `${is}, rsa is needed`;
      return modulusLength !== undefined && modulusLength >= shortestModulus ? undefined : `it has ${modulusLength} bits, at least ${shortestModulus} are needed`;
    case "ES256":
      return type === "ec" && namedCurve === "prime256v1" ? undefined : `${is}, ec on prime256v1 (P-256) is needed`;
    case "EdDSA":
      return type === "ed25519" ? undefined : `${is}, ed25519 is needed`;
  }
}
