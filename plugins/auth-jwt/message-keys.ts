import { BusbarError, readSecretFile } from "@busbar/core";
import * as v from "valibot";

/** RFC 2104 §3: a key shorter than the hash weakens it. */
const shortest = 32;

const text = v.pipe(v.string(), v.maxLength(1024), v.description("The key, at least 32 bytes of UTF-8; use ${env:NAME} or ${file:path} rather than plain text."));
const path = v.pipe(v.string(), v.minLength(1), v.maxLength(4096), v.description("A file with the key, at least 32 bytes; only its owner may have access. A line end at its end does not count."));

const messageKey = v.pipe(
  v.strictObject({ key: v.exactOptional(text), keyFile: v.exactOptional(path) }),
  v.check((entry) => Object.hasOwn(entry, "key") !== Object.hasOwn(entry, "keyFile"), "must have exactly one of key and keyFile"),
);

/** The config field `messageKeys`: `id` is the schema of an id that somebody may have. */
export const messageKeysField = (id: () => v.GenericSchema<string, string>) =>
  v.optional(
    v.pipe(
      v.record(id(), v.pipe(v.array(messageKey), v.minLength(1), v.maxLength(2))),
      v.maxEntries(100_000),
      v.description("Keys with which devices sign messages, by id: one, or two while the second takes the place of the first. A device signs for every id below its own, too. Up to 100,000 devices."),
    ),
    {},
  );

/** A device's keys as the config has them. */
export type MessageKeyEntries = Readonly<Record<string, readonly { readonly key?: string; readonly keyFile?: string }[]>>;

const none: readonly Uint8Array[] = [];

/**
 * Loads the keys and makes the function that finds those of an id (`Authority.messageKeys`). `path` makes a file name absolute; `revoked` says whose keys count for nothing.
 * @throws {BusbarError} CONFIG when a key is too short or others have access to its file, IO when that cannot be read.
 */
export async function loadMessageKeys(entries: MessageKeyEntries, options: { readonly path: (file: string) => string; readonly revoked: (id: string) => boolean }): Promise<(id: string) => readonly Uint8Array[]> {
  const keys = new Map<string, readonly Uint8Array[]>();
  for (const [id, list] of Object.entries(entries)) keys.set(id, await Promise.all(list.map((entry, at) => load(entry, { where: `messageKeys["${id}"][${at}]`, path: options.path }))));
  return (id) => (options.revoked(id) ? none : (keys.get(id) ?? none));
}

async function load({ key = "", keyFile }: MessageKeyEntries[string][number], { where, path }: { readonly where: string; readonly path: (file: string) => string }): Promise<Uint8Array> {
  const bytes = keyFile === undefined ? Buffer.from(key, "utf8") : await readSecretFile(path(keyFile));
  if (bytes.length < shortest) throw new BusbarError("CONFIG", `Cannot use ${where} to verify messages: it has ${bytes.length} bytes, at least ${shortest} are needed`);
  return bytes;
}
