import type { Clock } from "@busbar/core";
import jwt, { type Jwt, type JwtPayload } from "jsonwebtoken";
import { isPrincipalId, type Identity } from "./identity.ts";
import { Refusal } from "./refusal.ts";
import type { PinnedKey } from "./signing-keys.ts";

/** The audience that a token must name (WIRE §6). */
export const audience = "busbar";

/** Characters in a token at the most. */
const longestToken = 8192;

/** Whether `text` has the form of a JWT in compact serialisation (RFC 7519 §3): three parts of base64url joined by dots, the last perhaps empty. */
export function hasTokenForm(text: string): boolean {
  return text.length <= longestToken && /^[\w-]+\.[\w-]+\.[\w-]*$/.test(text);
}

/**
 * Checks a token's signature and claims (RFC 7519, RFC 8725). The algorithm is that of the key; the token's `alg` and `kid` only leave keys out.
 * @throws {Refusal} saying why not.
 */
export function verifyToken(token: string, options: { readonly keys: readonly PinnedKey[]; readonly clock: Clock; readonly tolerance: number }): Identity {
  if (!hasTokenForm(token)) throw new Refusal("malformed", "there is no JWT");
  const { header } = decode(token);
  // RFC 7515 §4.1.11: who does not understand a critical extension must refuse. We understand none, and jsonwebtoken does not look.
  if ("crit" in header) throw new Refusal("header", "the token's header asks for critical extensions");
  const fitting = options.keys.filter((one) => one.algorithm === header.alg && (one.kid === undefined || header.kid === undefined || one.kid === header.kid));
  if (fitting.length === 0) throw new Refusal("algorithm", `no key for ${JSON.stringify(String(header.alg).slice(0, 20))}${header.kid === undefined ? "" : ` and kid ${JSON.stringify(String(header.kid).slice(0, 40))}`}`);
  let refusal: Refusal | undefined;
  for (const one of fitting) {
    try {
      return readClaims(checkSignature(token, one, options), options.clock.now());
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      // Of several keys the one whose signature is right knows best why not.
      if (refusal === undefined || refusal.reason === "signature") refusal = error;
    }
  }
  throw refusal!;
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

function checkSignature(token: string, { key, algorithm }: PinnedKey, options: { readonly clock: Clock; readonly tolerance: number }): JwtPayload {
  try {
    const claims = jwt.verify(token, key, {
      algorithms: [algorithm],
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

/** Reads the claims of WIRE §6 out of a payload whose signature is right. */
function readClaims(claims: JwtPayload, now: number): Identity {
  const { sub, exp, jti } = claims;
  const roles: unknown = claims["roles"] ?? [];
  if (typeof exp !== "number" || !Number.isSafeInteger(Math.floor(exp * 1000))) throw new Refusal("claims", "the token has no exp");
  // Strict: the tolerance that jsonwebtoken was given is meant for nbf.
  if (now >= exp * 1000) throw new Refusal("expired", "the token has expired");
  if (typeof sub !== "string" || !isPrincipalId(sub)) throw new Refusal("claims", "the token's sub is not an id that somebody may have");
  if (!Array.isArray(roles) || roles.length > 64 || !roles.every((role) => typeof role === "string")) throw new Refusal("claims", "the token's roles are not a list of at most 64 names");
  if (jti !== undefined && (typeof jti !== "string" || jti.length > 256)) throw new Refusal("claims", "the token's jti is not a text of at most 256 characters");
  const { user } = claims as { user?: unknown };
  if (user !== undefined && typeof user !== "boolean") throw new Refusal("claims", "the token's user is not true or false");
  return { id: sub, roles, expires: Math.floor(exp * 1000), ...(jti === undefined ? {} : { credential: jti }), ...(user ? { user } : {}) };
}
