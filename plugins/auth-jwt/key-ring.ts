import type { KeyObject } from "node:crypto";
import type { Audit, Clock, Log, Metrics } from "@busbar/core";
import type { AuthJwtConfig } from "./config-schema.ts";
import { openKeySet, type KeySet, type KeySetChange } from "./key-set.ts";
import { loadKey, openSigningKey, type PinnedKey } from "./signing-keys.ts";

/** All keys whose tokens are taken. */
export interface KeyRing {
  /** The key that signs our own tokens. */
  readonly own: (PinnedKey & { readonly key: KeyObject }) | undefined;
  readonly keys: readonly PinnedKey[];
  readonly sets: readonly KeySet[];
  /** Whether a key that vouches for somebody is still there. */
  counts(voucher: string): boolean;
  /** Stops fetching key sets. */
  close(): void;
}

/** What a key ring works with. */
export interface KeyRingOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly path: (file: string) => string;
  readonly audit?: Audit | undefined;
  /** Called when the keys of a set have changed. */
  readonly changed: () => void;
}

/**
 * Loads and checks all keys of the config, makes the key file when there is none, and fetches the key sets.
 * @throws {BusbarError} CONFIG for a key that is too weak, does not fit its algorithm or is open to others; IO for a file that cannot be read or made.
 */
export async function openKeyRing(config: AuthJwtConfig, options: KeyRingOptions): Promise<KeyRing> {
  const { log, path, audit } = options;
  const signing = await openSigningKey(config.keyFile === false ? false : path(config.keyFile));
  if (signing?.created) {
    log.info("Made a signing key", { file: String(config.keyFile) });
    audit?.write("key-created", { file: String(config.keyFile) });
  }
  const own = signing?.pinned;
  const keys = [...(own ? [own] : []), ...(await Promise.all(config.keys.map((entry, at) => loadKey(entry, { at, path }))))];
  const keysChanged = (change: KeySetChange): void => {
    audit?.write("key-changed", { ...change });
    options.changed();
  };
  const opened = await Promise.allSettled(config.jwks.map((entry) => openKeySet(entry, { ...options, changed: keysChanged })));
  const sets = opened.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  const close = (): void => sets.forEach((set) => set.close());
  const failed = opened.find((result) => result.status === "rejected");
  if (failed !== undefined) {
    close();
    throw failed.reason;
  }
  const vouchers = new Set(keys.map((key) => key.voucher));
  return {
    own,
    keys,
    sets,
    counts: (voucher) => vouchers.has(voucher) || sets.some((set) => set.counts(voucher) === true),
    close,
  };
}
