import * as v from "valibot";
import { readSecretFile } from "../config/secret-file.ts";
import { BusbarError } from "../errors.ts";
import { topicPattern } from "../schema.ts";
import type { AtRestKey } from "./at-rest-keys.ts";
import { parseFieldPath } from "./field-path.ts";
import type { SensitiveRule } from "./sensitive-fields.ts";

const field = v.pipe(v.string(), v.maxLength(1024), v.check((text) => parseFieldPath(text) !== undefined, 'must be payload, payload.name, payload["any name"], payload.list[*], payload.list[0] or payload.list[name=value]'));

const rule = v.strictObject({
  topics: v.pipe(v.union([v.pipe(topicPattern(), v.transform((pattern) => [pattern])), v.pipe(v.array(topicPattern()), v.minLength(1), v.maxLength(100))]), v.description("Topic pattern, or up to 100 of them")),
  fields: v.pipe(v.array(field), v.minLength(1), v.maxLength(100), v.description("Up to 100 paths: payload (all of it), payload.name, payload.values[tag=heart-rate], payload.list[*].name")),
});

const key = v.pipe(
  v.strictObject({
    id: v.pipe(v.string(), v.regex(/^[A-Za-z0-9._-]{1,64}$/, "must be 1-64 of A-Z a-z 0-9 . _ -"), v.description("Name of the key, such as 2026-11; stored with what it encrypts")),
    key: v.exactOptional(v.pipe(v.string(), v.maxLength(1024), v.description("32 bytes as base64, base64url or hex; use ${env:NAME} rather than plain text"))),
    keyFile: v.exactOptional(v.pipe(v.string(), v.minLength(1), v.maxLength(4096), v.description("A file with the key, 32 bytes as base64, base64url or hex; only its owner may have access"))),
  }),
  v.check((entry) => Object.hasOwn(entry, "key") !== Object.hasOwn(entry, "keyFile"), "must have exactly one of key and keyFile"),
);

/** The section `encryption` of a storage plugin: which fields are encrypted where they are stored, and with which keys. */
export const encryptionField = () =>
  v.pipe(
    v.optional(
      v.pipe(
        v.strictObject({
          sensitive: v.pipe(v.optional(v.pipe(v.array(rule), v.maxLength(1000)), []), v.description("Which fields of which topics are encrypted; at most 1000 rules. Default none")),
          keys: v.pipe(v.array(key), v.minLength(1), v.maxLength(100), v.check((keys) => new Set(keys.map(({ id }) => id)).size === keys.length, "must not have two keys of one id"), v.description("1-100 keys: the first encrypts, all decrypt. A new one is put first")),
        }),
      ),
    ),
    v.description("Fields that are encrypted where they are stored (AES-256-GCM), and the keys. Default: nothing is"),
  );

/** The checked section. */
export type EncryptionConfig = NonNullable<v.InferOutput<ReturnType<typeof encryptionField>>>;

/** What a storage encrypts, and with what. The keys are secret. */
export interface Encryption {
  readonly sensitive: readonly SensitiveRule[];
  readonly keys: readonly AtRestKey[];
}

/**
 * Reads the keys that a config names. `path` makes a file name absolute.
 * @throws {BusbarError} CONFIG when one is not 32 bytes or others have access to its file, IO when that cannot be read. The key itself is never in the text.
 */
export async function loadEncryption(config: EncryptionConfig, path: (file: string) => string): Promise<Encryption> {
  const keys: AtRestKey[] = [];
  for (const { id, key: text = "", keyFile } of config.keys) {
    const bytes = parseKey(keyFile === undefined ? text : Buffer.from(await readSecretFile(path(keyFile))).toString("latin1"));
    if (!bytes) throw new BusbarError("CONFIG", `Cannot use the key "${id}" to encrypt what is stored: it is not 32 bytes as base64 or hex; openssl rand -base64 32 makes one`);
    keys.push({ id, bytes });
  }
  return { sensitive: config.sensitive, keys };
}

/** 32 bytes of base64, base64url or hex; undefined for anything else. */
function parseKey(text: string): Uint8Array | undefined {
  const trimmed = text.trim();
  if (/^[0-9a-fA-F]{64}$/.test(trimmed)) return new Uint8Array(Buffer.from(trimmed, "hex"));
  if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(trimmed)) return undefined;
  return new Uint8Array(Buffer.from(trimmed, "base64"));
}
