import { AuditPort, createWriteGuard, definePlugin, isLoopback, JournalPort, readConfigFile, type Lane, type PluginContext } from "@busbar/core";
import { BrokerLink } from "./broker-link.ts";
import { BrokerSession } from "./broker-session.ts";
import type { SessionOptions } from "./session-options.ts";
import { configSchema, type MqttConfig } from "./config.ts";
import { Egress } from "./egress.ts";
import { Ingress } from "./ingress.ts";
import { openStream, type TlsFiles } from "./open-stream.ts";
import { digest, originTag } from "./origin.ts";

/** A client to an upstream MQTT broker: stores and forwards to it, and takes what it has to say. */
export const mqtt = definePlugin({
  name: "mqtt",
  description: "Client to an upstream MQTT broker: store and forward to it, and subscriptions at it",
  config: configSchema,
  needs: { journal: JournalPort, audit: AuditPort },
  async setup(ctx) {
    const { config } = ctx;
    const upstream: Upstream = { url: new URL(config.url), tls: await readTls(ctx), identity: lazyIdentity(ctx) };
    if (config.password !== undefined && !/^(?:mqtts|wss):$/.test(upstream.url.protocol) && !isLoopback(upstream.url.hostname)) ctx.log.warn("the password goes to the broker in plain text; use mqtts:// or wss://");
    if (config.out.length > 0) startOut(ctx, upstream);
    if (config.in.length > 0) startIn(ctx, upstream);
    ctx.announce({ what: "MQTT client", url: config.url });
  },
});

interface Upstream {
  readonly url: URL;
  readonly tls: TlsFiles;
  readonly identity: () => Identity;
}

/** Who this bridge is: drawn from the journal's identity, so that it is the same after a restart, and another one for another gateway. */
interface Identity {
  /** Without the direction. */
  readonly clientId: string;
  /** See origin.ts. */
  readonly tag: string;
}

/** Where no plugin provides a journal there is none before the bus opens. */
function lazyIdentity({ id, config, needs }: Context): () => Identity {
  let identity: Identity | undefined;
  return () => (identity ??= {
    clientId: config.clientId === undefined ? `busbar${digest(needs.journal.epoch + "\0" + id).replace(/[_-]/g, "x").slice(0, 12)}` : `${config.clientId}-`,
    tag: originTag(needs.journal.epoch, id),
  });
}

async function journalOpen({ clock, needs }: Context, signal: AbortSignal): Promise<void> {
  while (typeof (needs.journal.epoch as unknown) !== "string") await clock.sleep(10, signal);
}

type Context = PluginContext<MqttConfig, { journal: typeof JournalPort; audit: typeof AuditPort }>;

/** Two connections, one each way: this one has no session at the broker that outlives it, as the journal is what is sent again from. */
function startOut(ctx: Context, upstream: Upstream): void {
  const { config, clock, metrics } = ctx;
  const link = openLink(ctx, { upstream, direction: "out", session: { clean: true, sessionExpiry: 0 } });
  const egress = new Egress({ config, link, clock, metrics, writes: createWriteGuard(ctx), instance: ctx.id, tag: () => upstream.identity().tag, epoch: () => ctx.needs.journal.epoch });
  ctx.defer(() => egress.idle);
  const lanes = Object.entries(config.lanes).flatMap(([name, patterns]): Lane[] => (patterns.length === 0 ? [] : [{ name, patterns }]));
  ctx.bus.consume("out", [...new Set(config.out.flatMap((entry) => entry.topics))], egress.take, {
    batch: config.batch.count, bytes: config.batch.bytes, linger: config.batch.linger, start: config.start, lanes, pace: config.pace, late: config.late,
    ...(config.overtake === 0 ? {} : { overtake: config.overtake }),
  });
}

/** This one has a session at the broker that outlives it: what comes while nobody is connected waits there. */
function startIn(ctx: Context, upstream: Upstream): void {
  const { config, bus, clock, log, metrics, signal } = ctx;
  const ingress = new Ingress({ config, bus, clock, log, metrics, signal, writes: createWriteGuard(ctx), instance: ctx.id, tag: () => upstream.identity().tag });
  openLink(ctx, {
    upstream,
    direction: "in",
    session: { clean: false, sessionExpiry: Math.ceil(config.session / 1000), unreleased: ingress.unreleased, onMessage: (packet, arrival, session) => ingress.take(packet, arrival, session) },
    prepare: (session) => ingress.subscribe(session),
  });
}

interface LinkSetup {
  readonly upstream: Upstream;
  readonly direction: "out" | "in";
  readonly session: Pick<SessionOptions, "clean" | "sessionExpiry" | "unreleased" | "onMessage">;
  readonly prepare?: (session: BrokerSession) => Promise<void>;
}

function openLink(ctx: Context, { upstream, direction, session: own, prepare }: LinkSetup): BrokerLink {
  const { config, clock, metrics } = ctx;
  const labels = { instance: ctx.id, direction };
  const options = {
    clock, version: config.protocolVersion, username: config.username, password: config.password,
    keepalive: config.keepalive, connectTimeout: config.connectTimeout, ackTimeout: config.ackTimeout, receive: config.receive, maxReceive: config.maxReceive, ...own,
  };
  const link = new BrokerLink({
    clock,
    log: ctx.log.child({ broker: upstream.url.host, direction }),
    reconnect: config.reconnect,
    reconnects: metrics.counter("busbar_mqtt_reconnects_total", "Connections to the upstream broker after the first", labels),
    open: async (signal) => {
      const stream = await openStream(upstream.url, { tls: upstream.tls, maxReceive: config.maxReceive });
      return BrokerSession.open(stream, { ...options, clientId: upstream.identity().clientId + direction, prepare }, signal);
    },
  });
  metrics.gauge("busbar_mqtt_connected", "Whether the upstream broker is connected: 1 or 0", () => (link.session === undefined ? 0 : 1), labels);
  ctx.defer(() => link.close());
  ctx.run(async (signal) => {
    await journalOpen(ctx, signal);
    await link.run(signal);
  });
  return link;
}

async function readTls({ config, path }: Context): Promise<TlsFiles> {
  const read = async (file: string | undefined, what: string): Promise<Buffer | undefined> => (file === undefined ? undefined : readConfigFile(path(file), what));
  const { caFile, certFile, keyFile } = config.tls ?? {};
  const [ca, cert, key] = await Promise.all([read(caFile, "authorities of the broker"), read(certFile, "client certificate"), read(keyFile, "client certificate's key")]);
  return { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
}

