import { ClientError, createClient, webSocketBy, type Client, type Envelope as Command } from "@busbar/client";
import { AuditPort, BusbarError, createWriteGuard, definePlugin, readConfigFile, type Counter, type Entry, type PluginContext, type WriteGuard } from "@busbar/core";
import { WebSocket as NodeWebSocket } from "ws";
import { uplinkConfig, type UplinkConfig } from "./config.ts";

/** Refusals that will be the same however often the message is sent. */
const final: ReadonlySet<string> = new Set(["BAD_FRAME", "FORBIDDEN", "TOO_LARGE"]);
/** Commands from above that are carried out at once. */
const concurrency = 100;
/** Milliseconds that a command without a deadline is given. */
const commandTime = 60_000;

/**
 * The uplink plugin: what the journal holds is sent to another gateway, each message until that one has stored it. It is a device up there, of the id `id`, and its own devices lie below it: `boiler-1` here is
 * `<id>/boiler-1` there. Messages keep their msgid, so one that is sent again is stored once, and their time.
 */
export const uplink = definePlugin({
  name: "uplink",
  description: "Store and forward to an upper gateway over WebSocket, and its commands to the devices here",
  config: uplinkConfig,
  needs: { audit: AuditPort },
  async setup(ctx) {
    const { config, bus, metrics, log } = ctx;
    const client = await connect(ctx);
    const sent = metrics.counter("busbar_uplink_messages_total", "Messages that the upper gateway has stored", { instance: ctx.id });
    metrics.gauge("busbar_uplink_connected", "1 while the upper gateway is there", () => (client.state === "online" ? 1 : 0), { instance: ctx.id });
    client.on("state", (state, { error }) => {
      if (state === "online") log.info("the upper gateway is there", { url: config.url, id: config.id });
      else if (state === "offline" && error) log.warn("the upper gateway is away", { url: config.url, error });
      else if (state === "closed" && error && error.code !== "CLOSED") ctx.fail(error); // the token is refused, or another one has taken over: tried again with growing pauses
    });
    client.on("problem", (error) => log.warn("the upper gateway refuses something", { error }));
    takeCommands(ctx, { client, writes: createWriteGuard(ctx) });
    bus.consume("out", config.topics, (batch, delivery) => send(batch, { client, prefix: `${config.id}/`, sent, now: ctx.clock.now(), signal: delivery.signal }), readerOptions(config));
    ctx.announce({ what: "Uplink", url: config.url });
  },
});

type Context = PluginContext<UplinkConfig, { audit: typeof AuditPort }>;

async function connect(ctx: Context): Promise<Client> {
  const { url, id, token, caFile, reconnect, batch } = ctx.config;
  const ca = caFile === undefined ? undefined : await readConfigFile(ctx.path(caFile), "certificate authorities");
  const client = createClient({
    url,
    id,
    token,
    reconnect,
    window: batch.count,
    commands: { concurrency },
    // Not the WebSocket of the runtime: it takes no authorities of one's own.
    transport: webSocketBy((address, protocol) => {
      const socket = new NodeWebSocket(address, protocol, { perMessageDeflate: false, ...(ca === undefined ? {} : { ca }) });
      socket.on("error", () => {}); // `close` follows
      return socket as unknown as WebSocket;
    }),
  });
  ctx.defer(() => client.close());
  return client;
}

interface Way {
  readonly client: Client;
  readonly prefix: string;
  readonly sent: Counter;
  readonly now: number;
  readonly signal: AbortSignal;
}

/** Resolves when all of it is stored up there. @throws {BusbarError} REFUSED with those that never will be, UNAVAILABLE when some are to be sent again; the signal's reason. */
async function send(batch: readonly Entry[], { client, prefix, sent, now, signal }: Way): Promise<void> {
  await unlessAborted(client.connected, signal);
  const due = batch.filter(({ message: { expires } }) => expires === undefined || expires > now);
  const settled = await unlessAborted(Promise.allSettled(due.map(({ message }) => publish(client, prefix, message))), signal);
  const refused = new Map<number, string>();
  settled.forEach((result, at) => {
    if (result.status === "fulfilled") return void sent.value++;
    const error: unknown = result.reason;
    if (!(error instanceof ClientError)) throw error;
    if (error.code === "EXPIRED") return;
    if (!final.has(error.code)) throw new BusbarError("UNAVAILABLE", `Cannot hand over ${batch.length} messages: ${error.message}`, { cause: error });
    refused.set(due[at]!.offset, error.message);
  });
  if (refused.size > 0) throw new BusbarError("REFUSED", "the upper gateway refused some of it", { retryable: false, offsets: [...refused.keys()], reasons: refused });
}

async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason as Error);
  signal.addEventListener("abort", abort);
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

function publish(client: Client, prefix: string, { type, payload, from, to, msgid, timestamp, qos, retain, expires }: Entry["message"]): Promise<unknown> {
  return client.publish({ type, payload, from: prefix + from, ...(to === "server" ? {} : { to: prefix + to }), msgid, timestamp, qos: qos === 0 ? 1 : qos, retain, ...(expires === undefined ? {} : { expires }) });
}

/** Gives commands for `<id>/<device>` to the device, and its answer back. */
function takeCommands(ctx: Context, { client, writes }: { readonly client: Client; readonly writes: WriteGuard }): void {
  const { bus, clock, config } = ctx;
  client.onCommand(async ({ to, from, msgid, payload, expires = clock.now() + commandTime, topic }: Command, { signal }) => {
    if (!to.startsWith(`${config.id}/`)) throw new ClientError("BAD_FRAME", `Cannot obey: commands are for a device of this gateway, such as ${config.id}/lamp-1`);
    const device = to.slice(config.id.length + 1);
    if (!writes.permits({ target: device, id: from, topic, msgid })) throw new ClientError("FORBIDDEN", `Cannot write to "${device}": allowWrites of the uplink is false`);
    const late = new AbortController();
    const cancel = clock.after(Math.max(0, expires - clock.now()), () => late.abort(new ClientError("EXPIRED", `"${device}" has not answered in time`)));
    try {
      const answer = await bus.request({ type: "command", to: device, msgid, payload, qos: 1, expires }, { signal: AbortSignal.any([signal, ctx.signal, late.signal]) });
      const { status, result } = answer.payload as { readonly status: string; readonly result?: unknown };
      if (status === "error") throw new ClientError("HANDLER", typeof result === "string" ? result : JSON.stringify(result ?? "the device failed"));
      return result;
    } finally {
      cancel();
    }
  });
}

function readerOptions({ batch, lanes, overtake, pace, start }: UplinkConfig) {
  return { batch: batch.count, bytes: batch.bytes, linger: batch.linger, lanes: lanes.alarm.length > 0 ? [{ name: "alarm", patterns: lanes.alarm }] : [], ...(overtake === 0 ? {} : { overtake }), pace, start };
}
