import { createPublicKey, type JsonWebKey, type KeyObject, type webcrypto } from "node:crypto";
import { BusbarError } from "@busbar/core";
import type { KeySetConfig } from "./key-config.ts";
import { misfit, type PinnedKey, type TokenAlgorithm } from "./signing-keys.ts";

/** Keys of one set at the most: a token without `kid` is tried with all of its algorithm. */
const mostKeys = 64;

/** What a key is for when it does not say so (RFC 7518 §3.1, RFC 8037 §3.1). */
const algorithms: Readonly<Record<string, Exclude<TokenAlgorithm, "HS256">>> = { RSA: "RS256", EC: "ES256", OKP: "EdDSA" };

/** The usable keys of a set, and why the others are not. */
export interface KeySetContent {
  readonly keys: readonly PinnedKey[];
  /** One sentence each, for the log; never key material. */
  readonly left: readonly string[];
}

/**
 * Reads a JSON Web Key Set (RFC 7517 §5). Keys that are not for signatures, or not for `algorithms`, are left out, and so is every symmetric or private one: whoever can
 * read the set could sign with it. `name`: where the set is from, for `PinnedKey.voucher`.
 * @throws {BusbarError} DAMAGED when it is no set, or has more than 64 keys.
 */
export async function readKeySet(text: string, config: KeySetConfig, name: string): Promise<KeySetContent> {
  const { calculateJwkThumbprint, importJWK } = await import("jose");
  const keys: PinnedKey[] = [];
  const left: string[] = [];
  for (const [at, jwk] of parse(text).entries()) {
    const kid = typeof jwk["kid"] === "string" ? jwk["kid"] : undefined;
    const fit = examine(jwk, config.algorithms);
    if (typeof fit === "string") {
      left.push(`key ${at}${kid === undefined ? "" : ` ${JSON.stringify(kid.slice(0, 40))}`}: ${fit}`);
      continue;
    }
    const { algorithm, key } = fit;
    const bare = key.export({ format: "jwk" });
    const voucher = `${name} ${await calculateJwkThumbprint(bare)}`;
    const imported = (await importJWK(bare, algorithm)) as webcrypto.CryptoKey;
    keys.push({ algorithm, kid, key: imported, voucher, roles: config.roles, within: config.within, issuer: config.issuer, audience: config.audience });
  }
  return { keys, left };
}

function parse(text: string): readonly Readonly<Record<string, unknown>>[] {
  let set: unknown;
  try {
    set = JSON.parse(text);
  } catch (cause) {
    throw new BusbarError("DAMAGED", "Cannot use the key set: it is not JSON", { cause });
  }
  const keys: unknown = typeof set === "object" && set !== null && "keys" in set ? set.keys : undefined;
  if (!Array.isArray(keys)) throw new BusbarError("DAMAGED", 'Cannot use the key set: it has no list "keys"');
  if (keys.length > mostKeys) throw new BusbarError("DAMAGED", `Cannot use the key set: it has ${keys.length} keys, ${mostKeys} are allowed`);
  return keys.map((key: unknown) => (typeof key === "object" && key !== null ? (key as Readonly<Record<string, unknown>>) : {}));
}

/** The key and the one algorithm it is used with, or why it is left out. */
function examine(jwk: Readonly<Record<string, unknown>>, allowed: readonly string[]): string | { readonly algorithm: Exclude<TokenAlgorithm, "HS256">; readonly key: KeyObject } {
  const { kty, alg, use, key_ops: operations, kid } = jwk;
  if (kty === "oct" || "k" in jwk) return "it is symmetric: whoever reads the set could sign with it";
  if ("d" in jwk) return "it is a private key: whoever reads the set could sign with it";
  if (kid !== undefined && (typeof kid !== "string" || kid.length > 256)) return "its kid is not a text of at most 256 characters";
  if (use !== undefined && use !== "sig") return "it is not for signatures";
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes("verify"))) return "it is not for checking signatures";
  const algorithm = typeof kty === "string" && Object.hasOwn(algorithms, kty) ? algorithms[kty] : undefined;
  if (algorithm === undefined) return "its kind is none of RSA, EC, OKP";
  if (alg !== undefined && alg !== algorithm) return `it says that it is for ${JSON.stringify(String(alg).slice(0, 20))}, a key of its kind is used for ${algorithm} alone`;
  if (!allowed.includes(algorithm)) return `${algorithm} is not among the algorithms of the config`;
  try {
    const key = createPublicKey({ key: jwk as JsonWebKey, format: "jwk" });
    return misfit(key, algorithm) ?? { algorithm, key };
  } catch {
    return "it is not a key";
  }
}
