import { byteSize, duration } from "@busbar/core";
import * as v from "valibot";
import { filePath, oneOf, trustFields } from "./config-fields.ts";

const inline = (what: string) => v.pipe(v.string(), v.maxLength(16_384), v.description(what));
const kid = () =>
  v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(256), v.description("The key's name: a token that names another `kid` is not tried with this key. Without it the key is tried for every token of its algorithm.")));

const secretKey = v.pipe(
  v.strictObject({
    algorithm: v.literal("HS256"),
    kid: kid(),
    secret: v.exactOptional(inline("The shared secret, at least 32 bytes of UTF-8; use ${env:NAME} or ${file:path} rather than plain text.")),
    secretFile: v.exactOptional(filePath("A file with the shared secret, at least 32 bytes; only its owner may have access. A line end at its end does not count.")),
    ...trustFields,
  }),
  oneOf("secret", "secretFile"),
);

const publicKey = <const A extends "RS256" | "ES256" | "EdDSA">(algorithm: A, what: string) =>
  v.pipe(
    v.strictObject({
      algorithm: v.literal(algorithm),
      kid: kid(),
      publicKey: v.exactOptional(inline(`The public key as PEM (SPKI): ${what}.`)),
      publicKeyFile: v.exactOptional(filePath(`A file with the public key as PEM (SPKI): ${what}.`)),
      ...trustFields,
    }),
    oneOf("publicKey", "publicKeyFile"),
  );

/** `keys` of the config: keys that stand there one by one. */
export const keysConfig = v.optional(
  v.pipe(
    v.array(
      v.variant(
        "algorithm",
        [secretKey, publicKey("RS256", "RSA of at least 2048 bits"), publicKey("ES256", "EC on P-256"), publicKey("EdDSA", "Ed25519")],
        "must have an algorithm that is HS256, RS256, ES256 or EdDSA",
      ),
    ),
    v.maxLength(16),
    v.description("Further keys whose tokens are taken, each with the one algorithm it is used with. Up to 16."),
  ),
  [],
);

/** A key set is fetched encrypted; plain only from this machine. A user name in the URL would end up in logs. */
function isKeySetUrl(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || url.username !== "" || url.password !== "") return false;
  return url.protocol === "https:" || (url.protocol === "http:" && /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/.test(url.hostname));
}

const keySet = v.pipe(
  v.strictObject({
    url: v.exactOptional(v.pipe(v.string(), v.maxLength(2048), v.check(isKeySetUrl, "must be an https URL without user name; http only to this machine"), v.description("Where the set is: https, or http to this machine. Redirects are not followed."))),
    file: v.exactOptional(filePath("A file with the set, looked at every `refresh`. It must be there at the start.")),
    algorithms: v.pipe(
      v.optional(v.pipe(v.array(v.picklist(["RS256", "ES256", "EdDSA"])), v.minLength(1), v.maxLength(3)), ["RS256", "ES256", "EdDSA"]),
      v.description("What its keys may be used for. A key is used for one alone: what it says itself, else what its kind is for."),
    ),
    issuer: v.exactOptional(v.pipe(v.string(), v.minLength(1), v.maxLength(2048), v.description("What `iss` of its tokens must be. Set it where there is more than one set: tokens of other issuers then never make this one be fetched."))),
    audience: v.pipe(v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(256)), "busbar"), v.description("What `aud` of its tokens must be or contain.")),
    ...trustFields,
    refresh: v.pipe(v.optional(duration(1000, 86_400_000), 25_000), v.description("How often the set is asked for anew. A key that is no longer in it ends the sessions of its tokens so much later at the most. 1 s to 1 d.")),
    cooldown: v.pipe(v.optional(duration(1000, 3_600_000), 30_000), v.description("A token with an unknown `kid` makes the set be fetched at once, but at most once in this time. 1 s to 1 h.")),
    keep: v.pipe(v.optional(duration(10_000, 604_800_000), 86_400_000), v.description("For how long its keys count when the set cannot be had. 10 s to 7 d.")),
    timeout: v.pipe(v.optional(duration(100, 30_000), 3000), v.description("How long one fetch may take. 100 ms to 30 s.")),
    limit: v.pipe(v.optional(byteSize(1024, 1_048_576), 65_536), v.description("Bytes that the set may have. 1 KiB to 1 MiB.")),
  }),
  oneOf("url", "file"),
);

/** `jwks` of the config: sets of keys that others keep (RFC 7517). */
export const keySetsConfig = v.optional(
  v.pipe(v.array(keySet), v.maxLength(8), v.description("Sets of keys that an identity provider publishes and rotates. Up to 8 with 64 keys each; symmetric keys in them are refused.")),
  [],
);

/** One checked entry of `jwks`. */
export type KeySetConfig = v.InferOutput<typeof keySet>;
