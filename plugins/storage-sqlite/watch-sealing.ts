import { AuditPort, type Encryption, type PluginContext } from "@busbar/core";
import type { Rekeying } from "./rekeying.ts";
import type { SealedCounts } from "./worker-protocol.ts";

/** Whoever keeps an eye on the encryption of fields. */
export interface SealingWatch {
  /** Counts anew. To be called now and then. */
  look(): Promise<void>;
}

/** Says in log, metrics and audit log how the encryption of fields stands: which key is in use, which are missing, and what is still in plain text. */
export function watchSealing(ctx: PluginContext<unknown, { audit: typeof AuditPort }>, rekeying: Rekeying, encryption: Encryption | undefined): SealingWatch {
  const { log, metrics, needs } = ctx;
  const { opened } = rekeying;
  const current = encryption?.keys[0]?.id;
  const ids = new Set(encryption?.keys.map(({ id }) => id));
  let counts: SealedCounts = {};
  const shown = new Set<string>();
  const show = (now: SealedCounts): void => {
    counts = now;
    for (const key of [...ids, ...Object.keys(now)]) {
      if (shown.has(key)) continue;
      shown.add(key);
      const state = key === current ? "current" : ids.has(key) ? "former" : "missing";
      metrics.gauge("busbar_storage_encrypted_entries", "Messages of the journal with encrypted fields, by key: the current one, a former one, or one that the config does not have", () => counts[key] ?? 0, { key, state });
    }
  };
  show(opened.counts);
  for (const [key, entries] of Object.entries(opened.counts)) if (!ids.has(key)) log.warn("fields are encrypted with a key that is not in the config: readers get a mark in their place", { keyId: key, messages: entries });
  if (current !== undefined && encryption!.sensitive.length > 0 && current !== opened.previousKey) {
    needs.audit.write(opened.previousKey === undefined ? "key-created" : "key-changed", { of: "fields at rest", id: current, ...(opened.previousKey === undefined ? {} : { before: opened.previousKey }) });
    log.info("sensitive fields are encrypted with this key from now on", { keyId: current, ...(opened.previousKey === undefined ? {} : { before: opened.previousKey }) });
  }
  if (encryption !== undefined) {
    let plain = 0;
    metrics.gauge("busbar_storage_unencrypted_entries", "Messages of the journal with sensitive fields in plain text, when the gateway started", () => plain);
    ctx.run(async (signal) => {
      const found = await rekeying.survey(signal);
      plain = found.changed;
      if (plain > 0) log.warn("sensitive fields of old messages are not encrypted as the config says: stop the gateway and run busbar rekey", { messages: plain });
    });
  }
  return {
    async look() {
      if (encryption !== undefined || shown.size > 0) show(await rekeying.counts());
    },
  };
}
