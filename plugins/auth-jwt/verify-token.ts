import { KeyObject } from "node:crypto";
import { speaksFor, type Clock } from "@busbar/core";
import jwt, { type Jwt, type JwtPayload } from "jsonwebtoken";
import { isPrincipalId } from "./config-fields.ts";
import type { Identity } from "./identity.ts";
import type { KeySet } from "./key-set.ts";
import { Refusal } from "./refusal.ts";
import type { PinnedKey } from "./signing-keys.ts";
import { audience } from "./token-audience.ts";

/** Characters in a token at the most. */
const longestToken = 8192;

/** What a token is checked against. */
export interface TokenCheck {
  readonly keys: readonly PinnedKey[];
  /** Asked when none of `keys` fits. */
  readonly sets?: readonly KeySet[];
  readonly clock: Clock;
  /** Milliseconds by which `nbf` may lie ahead. */
  readonly tolerance: number;
}

/** Whether `text` has the form of a JWT in compact serialisation (RFC 7519 §3): three parts of base64url joined by dots, the last perhaps empty. */
export function hasTokenForm(text: string): boolean {
  return text.length <= longestToken && /^[\w-]+\.[\w-]+\.[\w-]*$/.test(text);
}

/**
 * Checks a token's signature and claims (RFC 7519, RFC 8725), and that its key may say so. The algorithm is that of the key; the token's `alg` and `kid` only leave keys out.
 * @throws {Refusal} saying why not.
 */
export async function verifyToken(token: string, options: TokenCheck): Promise<Identity> {
  if (!hasTokenForm(token)) throw new Refusal("malformed", "there is no JWT");
  const { header, payload } = decode(token);
  // RFC 7515 §4.1.11: who does not understand a critical extension must refuse. We understand none, and jsonwebtoken does not look.
  if ("crit" in header) throw new Refusal("header", "the token's header asks for critical extensions");
  let refusal: Refusal | undefined;
  for (const one of await fittingKeys(header, payload, options)) {
    try {
      const claims = one.key instanceof KeyObject ? checkSignature(token, one as PinnedKey & { readonly key: KeyObject }, options) : await (await import("./verify-with-jose.ts")).checkWithJose(token, one, options);
      return readClaims(claims, one, options.clock.now());
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      // Of several keys the one whose signature is right knows best why not.
      if (refusal === undefined || refusal.reason === "signature") refusal = error;
    }
  }
  throw refusal ?? new Refusal("algorithm", `no key for ${JSON.stringify(String(header.alg).slice(0, 20))}${header.kid === undefined ? "" : ` and kid ${JSON.stringify(String(header.kid).slice(0, 40))}`}`);
}

async function fittingKeys(header: Jwt["header"], payload: Jwt["payload"], { keys, sets = [] }: TokenCheck): Promise<readonly PinnedKey[]> {
  const fitting = keys.filter((one) => one.algorithm === header.alg && (one.kid === undefined || header.kid === undefined || one.kid === header.kid));
  if (sets.length === 0 || typeof header.alg !== "string" || (header.kid !== undefined && typeof header.kid !== "string")) return fitting;
  const issuer: unknown = typeof payload === "object" ? payload.iss : undefined;
  const found = await Promise.all(sets.map((set) => set.find({ algorithm: header.alg, kid: header.kid, issuer })));
  return [...fitting, ...found.flat()];
}

function decode(token: string): Jwt {
  try {
    const decoded = jwt.decode(token, { complete: true });
    // jsonwebtoken takes any JSON but null, false, 0 and "" for a header.
    if (decoded !== null && typeof decoded.header === "object") return decoded;
  } catch (error) {
    throw new Refusal("malformed", "the token's payload is not JSON", { cause: error });
  }
  throw new Refusal("malformed", "the token's header is not a JSON object");
}

function checkSignature(token: string, { key, algorithm }: PinnedKey & { readonly key: KeyObject }, options: TokenCheck): JwtPayload {
  try {
    const claims = jwt.verify(token, key, {
      algorithms: [algorithm as jwt.Algorithm],
      audience,
      clockTimestamp: Math.floor(options.clock.now() / 1000),
      clockTolerance: Math.ceil(options.tolerance / 1000),
    });
    if (typeof claims === "object") return claims;
  } catch (error) {
    if (error instanceof jwt.TokenExpiredError) throw new Refusal("expired", "the token has expired", { cause: error });
    if (error instanceof jwt.NotBeforeError) throw new Refusal("not-active", "the token is not valid yet", { cause: error });
    if (error instanceof jwt.JsonWebTokenError) {
      const wrongAudience = error.message.startsWith("jwt audience");
      const wrongClaim = /^invalid (?:exp|nbf) value$/.test(error.message);
      if (wrongAudience) throw new Refusal("audience", `the token is not for "${audience}"`, { cause: error });
      if (wrongClaim) throw new Refusal("claims", "exp or nbf is not a number", { cause: error });
      throw new Refusal("signature", "the token's signature is not that of a key of ours", { cause: error });
    }
    throw new Refusal("signature", "the token's signature cannot be checked", { cause: error });
  }
  throw new Refusal("claims", "the token's payload is not an object");
}

/** Reads the claims of WIRE §6 out of a payload whose signature is right, as far as its key may say so. */
function readClaims(claims: Readonly<Record<string, unknown>>, key: PinnedKey, now: number): Identity {
  const { sub, exp, jti, user } = claims;
  const roles: unknown = claims["roles"] ?? [];
  if (typeof exp !== "number" || !Number.isSafeInteger(Math.floor(exp * 1000))) throw new Refusal("claims", "the token has no exp");
  // Strict: the tolerance that the libraries were given is meant for nbf.
  if (now >= exp * 1000) throw new Refusal("expired", "the token has expired");
  if (typeof sub !== "string" || !isPrincipalId(sub)) throw new Refusal("claims", "the token's sub is not an id that somebody may have");
  if (!Array.isArray(roles) || roles.length > 64 || !roles.every((role) => typeof role === "string")) throw new Refusal("claims", "the token's roles are not a list of at most 64 names");
  if (jti !== undefined && (typeof jti !== "string" || jti.length > 256)) throw new Refusal("claims", "the token's jti is not a text of at most 256 characters");
  if (user !== undefined && typeof user !== "boolean") throw new Refusal("claims", "the token's user is not true or false");
  if (key.within !== undefined && !speaksFor(key.within, sub)) throw new Refusal("trust", `the key of the token may only speak for "${key.within}", not for its sub`);
  const given: readonly string[] = key.roles === undefined ? roles : roles.filter((role: string) => key.roles!.includes(role));
  return {
    id: sub,
    roles: given,
    ...(given.length < roles.length ? { excess: roles.filter((role: string) => !given.includes(role)) } : {}),
    expires: Math.floor(exp * 1000),
    ...(jti === undefined ? {} : { credential: jti }),
    ...(user ? { user } : {}),
    ...(key.voucher === undefined ? {} : { voucher: key.voucher }),
  };
}
