import { randomUUID, type KeyObject } from "node:crypto";
import { resolve } from "node:path";
import { BusbarError, type TokenRequest } from "@busbar/core";
import jwt from "jsonwebtoken";
import type { AuthJwtConfig } from "./config-schema.ts";
import { isPrincipalId } from "./config-fields.ts";
import { openSigningKey, type PinnedKey } from "./signing-keys.ts";
import { audience } from "./token-audience.ts";

/** A token lives at most this long: ten years, in seconds. */
const longestLife = 315_360_000;

/**
 * Makes a token without a running gateway, for `busbar token`. `config` is the plugin's checked config; the key file is made when it does not exist, and is then
 * the one that the gateway finds. `now`: ms since the Unix epoch, default the machine's clock; `path` makes the config's file names absolute, default from the working directory.
 * @throws {RangeError} when the request names an id nobody may have, a role that the config does not know, or a life below 1 s or above ten years.
 * @throws {BusbarError} FORBIDDEN when the config has no key file, CONFIG or IO when the key file cannot be used.
 */
export async function issueToken(config: AuthJwtConfig, request: TokenRequest, options: { readonly now?: number; readonly path?: (file: string) => string } = {}): Promise<string> {
  const path = options.path ?? ((file: string) => resolve(file));
  checkRequest(config, request);
  const opened = await openSigningKey(config.keyFile === false ? false : path(config.keyFile));
  return signToken(opened?.pinned, request, options.now ?? Date.now());
}

/** @throws {RangeError} when no such token may be made, see `issueToken`. */
export function checkRequest(config: AuthJwtConfig, { id, roles, ttl }: TokenRequest): void {
  if (!isPrincipalId(id)) throw new RangeError(`Cannot issue a token: "${id.slice(0, 256)}" is not an id that somebody may have`);
  if (!Number.isSafeInteger(ttl) || ttl < 1 || ttl > longestLife) throw new RangeError(`Cannot issue a token: its life of ${ttl} s is not a whole number from 1 to ${longestLife}`);
  const unknown = roles.find((role) => !Object.hasOwn(config.roles, role));
  if (unknown !== undefined) throw new RangeError(`Cannot issue a token: there is no role "${unknown}"; there are ${Object.keys(config.roles).join(", ") || "none"}`);
}

/** Signs a checked request with our own key; `now` in ms. @throws {BusbarError} FORBIDDEN without a key. */
export function signToken(pinned: (PinnedKey & { readonly key: KeyObject }) | undefined, { id, roles, ttl, user }: TokenRequest, now: number): string {
  if (pinned === undefined) throw new BusbarError("FORBIDDEN", "Cannot issue a token: the config has keyFile: false, so there is no key to sign with");
  const iat = Math.floor(now / 1000);
  return jwt.sign({ aud: audience, sub: id, roles: [...roles], iat, exp: iat + ttl, jti: randomUUID(), ...(user ? { user } : {}) }, pinned.key, { algorithm: "HS256" });
}
