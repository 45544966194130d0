import { createPublicKey, createSecretKey, type KeyObject } from "node:crypto";
import { BusbarError } from "@busbar/core";
import type { AuthJwtConfig } from "./config-schema.ts";
import { openSecretFile, readKeyText, readSecretFile } from "./secret-file.ts";

/** A key and the one algorithm it is used with. What a token says about its algorithm never changes that. */
export interface PinnedKey {
  readonly algorithm: "HS256" | "RS256" | "ES256";
  readonly kid?: string | undefined;
  readonly key: KeyObject;
}

/** RFC 7518 §3.2 asks of HS256 a key at least as long as the hash, §3.3 of RS256 at least 2048 bits. */
const shortestSecret = 32;
const shortestModulus = 2048;

/**
 * Loads the key that signs our own tokens, and makes it when its file does not exist; undefined when the config has none.
 * @throws {BusbarError} CONFIG when the secret is too short or others have access to it, IO when the file cannot be read or made.
 */
export async function openSigningKey(keyFile: string | false): Promise<{ readonly pinned: PinnedKey; readonly created: boolean } | undefined> {
  if (keyFile === false) return undefined;
  const { secret, created } = await openSecretFile(keyFile);
  return { pinned: { algorithm: "HS256", key: pinSecret(secret, `keyFile "${keyFile}"`) }, created };
}

/**
 * Loads a key of the config's `keys`. `at` is its place in the list, for the message; `path` makes its file name absolute.
 * @throws {BusbarError} CONFIG when it does not fit its algorithm or is too weak, IO when its file cannot be read.
 */
export async function loadKey(entry: AuthJwtConfig["keys"][number], options: { readonly at: number; readonly path: (file: string) => string }): Promise<PinnedKey> {
  const { algorithm, kid } = entry;
  const where = `keys[${options.at}]`;
  if (entry.algorithm === "HS256") {
    const secret = entry.secretFile === undefined ? Buffer.from(entry.secret ?? "", "utf8") : await readSecretFile(options.path(entry.secretFile));
    return { algorithm, kid, key: pinSecret(secret, where) };
  }
  const pem = entry.publicKeyFile === undefined ? (entry.publicKey ?? "") : await readKeyText(options.path(entry.publicKeyFile));
  return { algorithm, kid, key: pinPublicKey(pem, entry.algorithm, where) };
}

function pinSecret(secret: Uint8Array, where: string): KeyObject {
  if (secret.length < shortestSecret) throw new BusbarError("CONFIG", `Cannot use ${where} for HS256: the secret has ${secret.length} bytes, at least ${shortestSecret} are needed`);
  // Whoever knows a public key could sign with it: the confusion of RFC 8725 §2.1, brought about by the config itself.
  if (Buffer.from(secret).includes("-----BEGIN ")) throw new BusbarError("CONFIG", `Cannot use ${where} for HS256: it is a key or certificate in PEM, not a secret`);
  return createSecretKey(secret);
}

function pinPublicKey(pem: string, algorithm: "RS256" | "ES256", where: string): KeyObject {
  const unfit = (state: string, cause?: unknown): BusbarError => new BusbarError("CONFIG", `Cannot use ${where} for ${algorithm}: ${state}`, { cause });
  if (pem.includes("PRIVATE KEY")) throw unfit("it is a private key; only the public key belongs here");
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch (error) {
    throw unfit("it is not a public key in PEM", error);
  }
  const { modulusLength, namedCurve } = key.asymmetricKeyDetails ?? {};
  if (algorithm === "RS256") {
    if (key.asymmetricKeyType !== "rsa") throw unfit(`it is a key of type ${key.asymmetricKeyType}, rsa is needed`);
    if (modulusLength === undefined || modulusLength < shortestModulus) throw unfit(`it has ${modulusLength} bits, at least ${shortestModulus} are needed`);
  } else if (key.asymmetricKeyType !== "ec" || namedCurve !== "prime256v1") {
    throw unfit(`it is a key of type ${key.asymmetricKeyType}${namedCurve === undefined ? "" : ` on ${namedCurve}`}, ec on prime256v1 (P-256) is needed`);
  }
  return key;
}
