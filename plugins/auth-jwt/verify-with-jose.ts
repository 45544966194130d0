import type { webcrypto } from "node:crypto";
import { errors, jwtVerify } from "jose";
import { Refusal } from "./refusal.ts";
import type { PinnedKey } from "./signing-keys.ts";
import { audience } from "./token-audience.ts";
import type { TokenCheck } from "./verify-token.ts";

/*
 * What jsonwebtoken does not do: EdDSA, and keys of a set. A module of its own, so that jose is loaded only where a config asks for it.
 */

/**
 * Checks a token's signature, times, audience and issuer against one key; gives its claims.
 * @throws {Refusal} saying why not.
 */
export async function checkWithJose(token: string, pinned: PinnedKey, options: Pick<TokenCheck, "clock" | "tolerance">): Promise<Readonly<Record<string, unknown>>> {
  const wanted = pinned.audience ?? audience;
  try {
    const { payload } = await jwtVerify(token, pinned.key as webcrypto.CryptoKey, {
      algorithms: [pinned.algorithm],
      audience: wanted,
      ...(pinned.issuer === undefined ? {} : { issuer: pinned.issuer }),
      currentDate: new Date(options.clock.now()),
      clockTolerance: Math.ceil(options.tolerance / 1000),
    });
    return payload;
  } catch (cause) {
    if (cause instanceof errors.JWTExpired) throw new Refusal("expired", "the token has expired", { cause });
    if (cause instanceof errors.JWTClaimValidationFailed) {
      if (cause.claim === "aud") throw new Refusal("audience", `the token is not for "${wanted}"`, { cause });
      if (cause.claim === "iss") throw new Refusal("issuer", "the token is not from the issuer of its key set", { cause });
      if (cause.claim === "nbf" && cause.reason === "check_failed") throw new Refusal("not-active", "the token is not valid yet", { cause });
      throw new Refusal("claims", `${JSON.stringify(cause.claim.slice(0, 20))} is not what it must be`, { cause });
    }
    if (cause instanceof errors.JWSSignatureVerificationFailed) throw new Refusal("signature", "the token's signature is not that of a key of ours", { cause });
    if (cause instanceof errors.JWTInvalid) throw new Refusal("malformed", "the token's payload is not a JSON object", { cause });
    throw new Refusal("signature", "the token's signature cannot be checked", { cause });
  }
}
