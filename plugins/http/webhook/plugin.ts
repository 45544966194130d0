import { randomUUID } from "node:crypto";
import { AuditPort, createWriteGuard, definePlugin, JournalPort, optional, readConfigFile, type Delivery, type Entry, type Lane, type WriteGuard } from "@busbar/core";
import { BatchSender } from "./batch-sender.ts";
import { webhookConfig, type WebhookConfig } from "./config.ts";
import { createRequester } from "./http-request.ts";

/** Milliseconds that a request which is under way is given when the plugin stops: less than a reader is given to end. */
const stopGrace = 3000;

/** The webhook plugin: what the journal holds, sent to a server in batches, each message until the server has taken or refused it. */
export const webhook = definePlugin({
  name: "webhook",
  description: "Sends messages to an HTTP server in batches: stored until they are taken, late ones flagged, refused ones kept as dead letters",
  config: webhookConfig,
  needs: { journal: optional(JournalPort), audit: AuditPort },
  async setup(ctx) {
    const { config, bus, clock, metrics, log } = ctx;
    const read = async (path: string | undefined, what: string): Promise<Buffer | undefined> => (path === undefined ? undefined : await readConfigFile(ctx.path(path), what));
    const { caFile, certFile, keyFile } = config.tls ?? {};
    const tls = { ca: await read(caFile, "certificate authorities"), cert: await read(certFile, "client certificate"), key: await read(keyFile, "key of the client certificate") };
    const requester = createRequester({ url: config.url, method: config.method, timeout: config.timeout, clock, tls });
    ctx.defer(() => requester.close());
    const sender = new BatchSender({ config, requester, clock, metrics, epoch: ctx.needs.journal?.epoch ?? randomUUID() });

    const writes = createWriteGuard(ctx);
    const send = async (batch: readonly Entry[], { lane, late, signal, attempt }: Delivery): Promise<void> => {
      const stop = new AbortController();
      const hurry = (): void => void clock.after(stopGrace, () => stop.abort(new DOMException("the plugin stops", "AbortError")));
      signal.addEventListener("abort", hurry, { once: true });
      try {
        await sender.send(withoutForbidden(batch, { writes, fresh: attempt === 0 }), { lane, late, signal: stop.signal });
      } finally {
        signal.removeEventListener("abort", hurry);
      }
    };
    const reader = bus.consume("out", config.topics, send, readerOptions(config));
    metrics.gauge("busbar_webhook_failing", "1 while the server does not take messages", () => (reader.status().failing === undefined ? 0 : 1));
    const target = new URL(config.url);
    ctx.announce({ what: "Webhook", url: target.origin + target.pathname });
    log.debug("webhook reads the journal", { topics: config.topics });
  },
});

/** Without the commands that may not be sent; `fresh`: they are not known to have been refused. */
function withoutForbidden(batch: readonly Entry[], { writes, fresh }: { readonly writes: WriteGuard; readonly fresh: boolean }): readonly Entry[] {
  if (writes.allowed) return batch;
  return batch.filter(({ message: { type, topic, from, to, msgid } }) => {
    if (type === "command" && fresh) writes.permits({ target: to, id: from, topic, msgid });
    return type !== "command";
  });
}

function readerOptions({ batch, lanes, overtake, pace, late, start }: WebhookConfig) {
  const named: Lane[] = [{ name: "alarm", patterns: lanes.alarm }, { name: "command", patterns: lanes.command }];
  return { batch: batch.count, bytes: batch.bytes, linger: batch.linger, lanes: named.filter(({ patterns }) => patterns.length > 0), ...(overtake === "never" ? {} : { overtake }), pace, late, start };
}
