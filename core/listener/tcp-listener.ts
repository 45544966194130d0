import type { AddressInfo, Server, Socket } from "node:net";
import type { CodecFactory, Framing } from "../codec.ts";
import { BusbarError } from "../errors.ts";
import type { Counter } from "../metrics.ts";
import type { PluginContext } from "../plugin.ts";
import type { AuditPort, SessionsPort } from "../ports.ts";
import type { Session, SessionOptions } from "../session/sessions.ts";
import { CloseCode } from "../session/transport.ts";
import { createAccess, createTokenTest, limitCodec, type Admission } from "./access.ts";
import { addressBlock, plainAddress } from "./address.ts";
import { Connection, type ConnectionOptions } from "./connection.ts";
import { isExposed } from "./exposure.ts";
import { Framer } from "./framer.ts";
import type { ListenerConfig } from "./listener-config.ts";
import { createSocketServer } from "./socket-server.ts";
import { TcpTransport, type TcpTransportOptions } from "./tcp-transport.ts";
import { WaitingLine } from "./waiting-line.ts";

/** The context of a plugin that opens a listener. */
export type ListenerContext = PluginContext<ListenerConfig, { readonly audit: typeof AuditPort; readonly sessions: typeof SessionsPort }>;

/** What is spoken on a listener. */
export interface ListenerProtocol {
  readonly framing: Framing;
  /** With `session` the protocol says itself who a client is; without, the config's `clients` does. */
  readonly codec: CodecFactory;
  /** When devices are told about commands. */
  readonly commands: NonNullable<SessionOptions["commands"]>;
  /** Whether devices can answer a command. */
  readonly answers: boolean;
  /** `Transport.kind`, which roles may name. Default "tcp". */
  readonly kind?: string;
  /** `SessionOptions.greets`. Default false. */
  readonly greets?: boolean;
  /** What `busbar start` calls the listener. */
  readonly what: string;
}

/** Timeouts are looked at at least this often: with ten thousand connections a look at each costs some milliseconds. */
const sweepAtMost = 2000;

/**
 * Opens a TCP or TLS listener for a device protocol and runs it until the context's cleanups are called: framing, a session for each connection, access rules, limits,
 * timeouts, coalesced writes. The plugin's config has the `listenerFields`.
 * @throws {BusbarError} UNAVAILABLE when the address cannot be listened on, CONFIG when a file of the config cannot be used.
 */
export async function openTcpListener(ctx: ListenerContext, protocol: ListenerProtocol): Promise<void> {
  const { config, clock, log, metrics } = ctx;
  const access = createAccess(config, protocol.codec.session);
  const token = config.clients?.by === "token" ? createTokenTest(config.clients.token) : undefined;
  const connections = new Set<Connection<TcpTransport>>();
  const line = new WaitingLine({ places: config.maxConnections, ...config.waitingLine }, clock);
  const sweepPeriod = Math.max(10, Math.min(sweepAtMost, config.frameTimeout / 4, config.authTimeout / 4));
  let now = clock.now();

  const refused = (reason: string): Counter => metrics.counter("busbar_refused_total", "Frames and peers refused, by reason", { reason });
  const turnAway = (socket: Socket, reason: string, remote: string): void => {
    refused(reason).value++;
    log.warn(`connection refused: ${reason}`, { remote });
    socket.destroy();
  };

  // Shared by all connections: with ten thousand of them each closure counts.
  const transport: TcpTransportOptions = { framer: new Framer(protocol.framing), kind: protocol.kind ?? "tcp", after: (ms, callback) => clock.after(ms, callback) };
  const onError = (error: Error): void => log.debug("connection broken", { error }); // "close" follows
  const shared = new WeakMap<Admission, ConnectionOptions<TcpTransport>>();
  const optionsOf = (admission: Admission): ConnectionOptions<TcpTransport> => {
    let options = shared.get(admission);
    if (options === undefined) {
      options = { log, framing: protocol.framing, limit: config.limit, refused, token: admission.token ? token : undefined, open: (to) => openSession(ctx, to, { protocol, admission }) };
      shared.set(admission, options);
    }
    return options;
  };

  const accept = (socket: Socket): void => {
    socket.on("error", onError);
    if (socket.destroyed || socket.remoteAddress === undefined) return void socket.destroy(); // turned away at the door, or gone before it was looked at
    const address = plainAddress(socket.remoteAddress);
    const remote = socket.remotePort === undefined ? address : address.includes(":") ? `[${address}]:${socket.remotePort}` : `${address}:${socket.remotePort}`;
    const admission = access(socket, address);
    if (admission === undefined) return turnAway(socket, config.clients?.by === "certificate" ? "no client certificate" : "address not allowed", remote);
    const leave = line.ask(addressBlock(address), { enter: () => begin(socket, { remote, admission }), refuse: (reason) => (reason === "closing" ? void socket.destroy() : turnAway(socket, reason === "time" ? "waited too long" : "full", remote)) });
    socket.once("close", leave);
  };

  /** It has a place. What it has sent meanwhile was not read. */
  const begin = (socket: Socket, { remote, admission }: { readonly remote: string; readonly admission: Admission }): void => {
    socket.setNoDelay(true); // writes are coalesced already
    socket.setKeepAlive(true, 60_000);
    const connection = new Connection(socket, new TcpTransport(socket, remote, transport), optionsOf(admission), now);
    connections.add(connection);
    socket.on("data", (chunk: Buffer) => connection.receive(chunk));
    socket.once("close", () => {
      connections.delete(connection);
      connection.ended();
      if (connections.size === 0) drained?.();
    });
  };

  let drained: (() => void) | undefined;
  const server = await createSocketServer(ctx, { tls: config.tls, demandCertificate: config.clients?.by === "certificate", accept });
  ctx.needs.sessions.door.guard(server, { places: config.maxConnections + config.waitingLine.length, perAddress: config.perAddress });
  ctx.defer(async () => {
    const closed = new Promise<void>((resolve) => (drained = resolve));
    server.close();
    line.close(); // before a place becomes free
    for (const connection of connections) connection.close(CloseCode.shuttingDown, "shutting down");
    if (connections.size > 0) await closed;
  });
  await listen(server, config);
  server.on("error", (error) => ctx.fail(error));
  clock.every(sweepPeriod, () => {
    now = clock.now();
    for (const connection of connections) connection.sweep(now, config);
  });
  metrics.gauge("busbar_tcp_connections", "TCP connections", () => connections.size, { plugin: ctx.id });
  metrics.gauge("busbar_tcp_waiting", "TCP connections that wait for a place", () => line.waiting, { plugin: ctx.id });
  const { port } = server.address() as AddressInfo;
  ctx.announce({ what: protocol.what, url: `${config.tls ? "tls" : "tcp"}://${config.host.includes(":") ? `[${config.host}]` : config.host}:${port}`, ...(isExposed({ host: config.host, encrypted: config.tls !== undefined }) && { insecure: true }) });
}

function openSession({ needs, config }: ListenerContext, transport: TcpTransport, { protocol, admission }: { readonly protocol: ListenerProtocol; readonly admission: Admission }): Session {
  const own = protocol.codec.create();
  const options: SessionOptions = {
    codec: admission.within === undefined ? own : limitCodec(own, admission.within),
    binary: true,
    commands: protocol.commands,
    answers: protocol.answers,
    greets: protocol.greets,
    ...(admission.credentials && { credentials: admission.credentials }),
    ...(admission.trusted && { trusted: admission.trusted }),
    will: config.will,
    limits: config, // not a copy for each of ten thousand
  };
  return needs.sessions.open(transport, options);
}

function listen(server: Server, { host, port }: ListenerConfig): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException): void => {
      const why = error.code === "EADDRINUSE" ? "the port is in use" : error.code === "EADDRNOTAVAIL" ? "this machine does not have the address" : error.code === "EACCES" ? "the port needs more rights" : error.message;
      reject(new BusbarError("UNAVAILABLE", `Cannot listen on ${host}:${port}: ${why}`, { cause: error }));
    };
    server.once("error", fail);
    server.listen({ host, port, backlog: 4096 }, () => {
      server.off("error", fail);
      resolve();
    });
  });
}
