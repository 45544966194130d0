import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { AddressLimit, certificateOf, CloseCode, Connection, type CodecFactory, type ConnectionOptions, type Credentials, type Http, type PluginContext, type SessionsPort } from "@busbar/core";
import { WebSocketServer, type WebSocket } from "ws";
import type { MqttListenerConfig } from "./config.ts";
import { packetFraming } from "./packet-framing.ts";
import { WebSocketTransport } from "./web-socket-transport.ts";

/** What is spoken over it, and where. */
export interface WebSocketListenerOptions {
  readonly http: Http;
  readonly codec: CodecFactory;
  /** `Transport.kind`. */
  readonly kind: string;
}

/** Opens MQTT over WebSocket (MQTT 3.1.1 §6) on the shared HTTP server, until the context's cleanups are called: subprotocol `mqtt`, binary frames, each of which may hold any part of the stream of packets. */
export function openWebSocketListener(ctx: PluginContext<MqttListenerConfig, { readonly sessions: typeof SessionsPort }>, { http, codec, kind }: WebSocketListenerOptions): void {
  const { config, clock, log, metrics } = ctx;
  const { sessions } = ctx.needs;
  const { path = "/mqtt" } = config;
  const connections = new Set<Connection<WebSocketTransport>>();
  const addresses = new AddressLimit(config.perAddress);
  let now = clock.now();
  const refused: ConnectionOptions["refused"] = (reason) => metrics.counter("busbar_refused_total", "Frames and peers refused, by reason", { reason });
  const server = new WebSocketServer({ noServer: true, clientTracking: false, maxPayload: config.limit + 5, perMessageDeflate: false, handleProtocols: (offered) => (offered.has("mqtt") ? "mqtt" : false) });
  server.on("wsClientError", ({ message }, socket) => http.refuseUpgrade(socket, { status: 400, detail: message }));

  const seat = (ws: WebSocket, request: IncomingMessage, socket: Duplex): void => {
    ws.on("error", (error) => log.debug("connection broken", { error })); // "close" follows
    const remote = request.socket.remoteAddress ?? "unknown";
    const why = ws.protocol !== "mqtt" ? "no subprotocol mqtt" : connections.size >= config.maxConnections ? "full" : !addresses.take(remote) ? "too many from one address" : undefined;
    if (why !== undefined) {
      refused(why).value++;
      return ws.close(why === "no subprotocol mqtt" ? 1002 : CloseCode.full, why);
    }
    const credentials = credentialsOf(request);
    const connection = new Connection(request.socket, new WebSocketTransport(ws, { socket, remote, kind, after: (ms, callback) => clock.after(ms, callback) }), {
      log, framing: packetFraming, limit: config.limit, refused,
      open: (transport) => sessions.open(transport, { codec: codec.create(), binary: true, greets: true, commands: "on-subscribe", answers: true, ...(credentials && { credentials }), will: config.will, limits: config }),
    }, now);
    connections.add(connection);
    ws.on("message", (data: Buffer, binary: boolean) => {
      if (binary) connection.receive(data);
      else connection.close(CloseCode.protocolError, "a text frame"); // MQTT 3.1.1 §6.0
    });
    ws.once("close", () => {
      connections.delete(connection);
      addresses.free(remote);
      connection.ended();
    });
  };

  ctx.defer(() => {
    for (const connection of connections) connection.close(CloseCode.shuttingDown, "shutting down");
  });
  ctx.defer(http.upgrade(path, (request, socket, head) => server.handleUpgrade(request, socket, head, (ws) => seat(ws, request, socket))));
  clock.every(Math.max(10, Math.min(2000, config.frameTimeout / 4, config.authTimeout / 4)), () => {
    now = clock.now();
    for (const connection of connections) connection.sweep(now, config);
  });
  ctx.announce({ what: "MQTT over WebSocket", url: http.url.replace(/^http/, "ws") + path, ...(http.insecure && { insecure: true }) });
}

/** A client certificate that TLS has verified, unless a page of another site uses its visitor's (RFC 6455 §10.2). Everything else is in CONNECT. */
function credentialsOf({ headers: { origin, host }, socket }: IncomingMessage): Credentials | undefined {
  const own = origin === undefined || (URL.canParse(origin) && new URL(origin).host === host?.toLowerCase());
  return own ? certificateOf(socket) : undefined;
}
