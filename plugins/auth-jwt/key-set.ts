import { createHash } from "node:crypto";
import { BusbarError, type Clock, type Log, type Metrics } from "@busbar/core";
import type { KeySetConfig } from "./key-config.ts";
import { readKeySet } from "./key-set-document.ts";
import { fileSource, urlSource } from "./key-set-source.ts";
import type { PinnedKey } from "./signing-keys.ts";

/** What is read of a token before anything of it is believed. */
export interface TokenHint {
  readonly algorithm: string;
  readonly kid: string | undefined;
  readonly issuer: unknown;
}

/** A set of keys that somebody else keeps and rotates (RFC 7517). */
export interface KeySet {
  /** The keys to try for a token. One with an unknown `kid` makes the set be fetched at once, at most once in `cooldown`. */
  find(hint: TokenHint): Promise<readonly PinnedKey[]>;
  /** Whether what a key of this set vouched for still counts; undefined when the voucher is none of this set. */
  counts(voucher: string): boolean | undefined;
  /** Stops fetching. */
  close(): void;
}

/** Keys of a set that came or went. */
export interface KeySetChange {
  /** Its URL or file. */
  readonly set: string;
  /** The kid and the thumbprint (RFC 7638) of each. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

/** What a key set works with. */
export interface KeySetOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly path: (file: string) => string;
  /** Called when keys have come or gone, also when there are any for the first time. */
  readonly changed: (change: KeySetChange) => void;
}

/**
 * Opens a key set. A server that does not answer at the start is asked again; until then there are no keys. When it fails later, what was known counts for `keep`.
 * @throws {BusbarError} IO or DAMAGED when a file cannot be read or is no set.
 */
export async function openKeySet(config: KeySetConfig, { clock, log, metrics, path, changed }: KeySetOptions): Promise<KeySet> {
  const place = config.url ?? config.file ?? "";
  const { roles, within, issuer, audience } = config;
  const trust = createHash("sha256").update(JSON.stringify([roles ?? null, within ?? null, issuer ?? null, audience])).digest("base64url").slice(0, 11);
  const name = `jwks ${place} ${trust}`; // who came in while its keys were believed more, or less, comes again
  const source = config.url === undefined ? fileSource(path(place), config.limit) : urlSource(config.url, config, clock);
  const failures = metrics.counter("busbar_auth_key_set_failures_total", "Key sets that could not be fetched or read");
  const closed = new AbortController();
  let keys: readonly PinnedKey[] = [];
  let loaded = false;
  let fresh = clock.now();
  let asked = -Infinity;
  let running: Promise<void> | undefined;

  const replace = (next: readonly PinnedKey[]): void => {
    const before = new Set(keys.map(labelOf));
    const after = new Set(next.map(labelOf));
    const first = !loaded;
    keys = next;
    loaded = true;
    const added = [...after.difference(before)];
    const removed = [...before.difference(after)];
    if (added.length + removed.length === 0 && !first) return;
    log.info("Keys of a key set have changed", { set: place, added, removed });
    changed({ set: place, added, removed });
  };
  const load = async (): Promise<void> => {
    try {
      const text = await source.read(closed.signal);
      const content = text === undefined ? undefined : await readKeySet(text, config, name);
      if (closed.signal.aborted) return;
      fresh = clock.now();
      if (content === undefined) return;
      if (content.left.length > 0) log.warn("Keys of a key set are left out", { set: place, reasons: content.left.slice(0, 10) });
      if (content.keys.length === 0) log.warn("A key set has no key that could be used", { set: place });
      replace(content.keys);
    } catch (error) {
      source.forget();
      if (closed.signal.aborted) return;
      failures.value++;
      if (!loaded && config.file !== undefined) throw error;
      const outdated = clock.now() - fresh >= config.keep;
      log.warn("A key set cannot be had", { set: place, error, keys: outdated ? "count no more" : "stay as they were" });
      if (outdated && (keys.length > 0 || !loaded)) replace([]);
    }
  };
  /** One fetch at a time, whoever asks. */
  const refresh = (): Promise<void> => (running ??= load().finally(() => (running = undefined)));

  await refresh();
  const end = clock.every(config.refresh, () => void refresh().catch((error: unknown) => log.warn("A key set cannot be had", { set: place, error })));

  const fitting = ({ algorithm, kid }: TokenHint): readonly PinnedKey[] => keys.filter((key) => key.algorithm === algorithm && (kid === undefined || key.kid === undefined || key.kid === kid));
  return {
    async find(hint) {
      if (config.issuer !== undefined && hint.issuer !== config.issuer) return [];
      if (!(config.algorithms as readonly string[]).includes(hint.algorithm)) return [];
      const found = fitting(hint);
      if (found.length > 0 || closed.signal.aborted) return found;
      const now = clock.now();
      if (running === undefined && now - asked < config.cooldown) return found;
      if (running === undefined) asked = now;
      await refresh();
      return fitting(hint);
    },
    // As long as the set has never been had, nobody knows; whoever came in with a key of it before a restart stays.
    counts: (voucher) => (voucher.startsWith(`${name} `) ? !loaded || keys.some((key) => key.voucher === voucher) : undefined),
    close() {
      end();
      closed.abort(new BusbarError("CLOSED", "Cannot fetch the key set: the authority is closed"));
    },
  };
}

function labelOf(key: PinnedKey): string {
  return `${key.kid ?? ""} ${key.voucher?.slice(key.voucher.lastIndexOf(" ") + 1) ?? ""}`.trim();
}
