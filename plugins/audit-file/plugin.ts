import { AuditFeedPort, AuditLogPort, definePlugin } from "@busbar/core";
import { configSchema } from "./config.ts";
import { openKeyRing, plainRing, readKeyRing } from "./key-ring.ts";
import { LogWriter } from "./log-writer.ts";
import { openLog } from "./open-log.ts";
import { readLog } from "./read-log.ts";

/** Milliseconds between two looks at the key file, between two attempts while the disk takes nothing, and for the rest at the end. */
const keyInterval = 5000;
const retryInterval = 1000;
const patience = 4000;
/** Entries that wait which are written at once. */
const pressing = 1000;

/** The plugin audit-file: keeps the audit log. */
export const auditFile = definePlugin({
  name: "audit-file",
  description: "The audit log: an append-only, hash-chained file of who did what",
  config: configSchema,
  needs: { feed: AuditFeedPort },
  provides: { log: AuditLogPort },
  async setup(ctx) {
    const { config, clock, log, metrics, bus, id } = ctx;
    const [folder, headFile] = [ctx.path(config.folder), ctx.path(config.headFile)];
    const keyFile = config.keyFile === false ? undefined : ctx.path(config.keyFile);
    const { ring, created } = keyFile === undefined ? { ring: plainRing, created: false } : await openKeyRing(keyFile);
    if (created) log.info("Made a key for the audit log", { file: String(config.keyFile) });
    const state = await openLog({ folder, headFile, ring });
    for (const { what, text } of state.damages) log[what === "torn" ? "warn" : "error"]("The audit log is not as the gateway had left it", { what, text });
    const writer = new LogWriter(id, { config, folder, headFile, ring, state, feed: ctx.needs.feed, clock, log });

    let failing = false;
    metrics.gauge("busbar_audit_failing", "1 while the audit log cannot be written, and entries wait", () => (failing ? 1 : 0));
    metrics.gauge("busbar_audit_seq", "The number of the newest entry of the audit log that is on the disk", () => writer.synced.seq);
    /** Returns whether it went well. */
    const turn = async (): Promise<boolean> => {
      try {
        await writer.turn();
        if (failing) log.info("The audit log is written again", { seq: writer.synced.seq });
        failing = false;
      } catch (error) {
        if (!failing) log.error("Cannot write the audit log: its entries wait, nothing else does", { error });
        failing = true;
      }
      return !failing;
    };

    /** Until it is time, or more waits than ought to: the queue must not run over while there is time to write. */
    const pause = async (well: boolean, signal: AbortSignal): Promise<void> => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const cancel = clock.after(well ? config.syncInterval : retryInterval, resolve);
      const forget = well ? ctx.needs.feed.whenWaiting(pressing, resolve) : () => {};
      const end = (): void => resolve();
      signal.addEventListener("abort", end);
      if (!signal.aborted) await promise;
      signal.removeEventListener("abort", end);
      cancel();
      forget();
    };

    ctx.run(async (signal) => {
      let current = ring.current;
      let keysAt = clock.now() + keyInterval;
      let headAt = clock.now() + config.checkpointInterval;
      let said = state.seq;
      while (!signal.aborted) {
        const well = await turn();
        const now = clock.now();
        if (keyFile !== undefined && now >= keysAt) {
          keysAt = now + keyInterval;
          const next = await readKeyRing(keyFile).catch((error: unknown) => void log.error("The audit log goes on with the key that it has", { error }));
          if (next !== undefined && next.current !== current) {
            current = next.current;
            writer.useKeys(next);
          }
        }
        const { seq, hash } = writer.synced;
        if (now >= headAt) {
          headAt = now + config.checkpointInterval;
          if (seq !== said) bus.deliver({ type: "audit", payload: { action: "audit-head", seq, hash }, qos: 1 }).catch((error: unknown) => log.warn("The head of the audit log could not be said", { error }));
          said = seq;
        }
        await pause(well, signal);
      }
    });

    ctx.defer(async () => {
      for (const end = clock.now() + patience; clock.now() < end; ) if (!(await turn()) || !writer.behind) break;
      if (writer.behind) log.error("Entries of the audit log are lost: they could not be written before the end", { entries: ctx.needs.feed.waiting });
      await writer.close();
    });
    return { log: { read: (query) => readLog(folder, query) } };
  },
});
