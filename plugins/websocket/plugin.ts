import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { AddressLimit, addressBlock, CloseCode, definePlugin, envelopeJson, envelopeProto, HttpPort, SessionsPort, WaitingLine, type UpgradeRefusal } from "@busbar/core";
import { WebSocketServer, type Server, type ServerOptions } from "ws";
import { configSchema, type WebSocketConfig } from "./config.ts";
import { Connection } from "./connection.ts";
import { EarlyMessages } from "./early-messages.ts";
import { guardInflate } from "./inflate-guard.ts";
import { SessionSocket } from "./session-socket.ts";

/** A peer that does not answer the close frame is cut off after this many ms (RFC 6455 §7.1.1). */
const closeTimeout = 3000;

const protocols: ReadonlySet<string> = new Set([envelopeJson.name, envelopeProto.name]);

/** WebSocket sessions on the shared HTTP server (WIRE §2). */
export const websocket = definePlugin({
  name: "websocket",
  description: "WebSocket sessions in JSON and protobuf on the shared HTTP server",
  config: configSchema,
  needs: { http: HttpPort, sessions: SessionsPort },
  setup(ctx) {
    const { config, clock, log, metrics, needs } = ctx;
    const server = createServer(config);
    server.on("wsClientError", (error, socket, { headers }) => needs.http.refuseUpgrade(socket, handshakeRefusal(error, headers)));
    const line = new WaitingLine({ places: config.maxConnections, ...config.waitingLine }, clock);
    const addresses = new AddressLimit(config.perAddress);
    const budget = { left: config.waitingLine.bytes };
    const connections = new Set<Connection>();
    metrics.gauge("busbar_websocket_connections", "WebSocket connections that have a place", () => line.taken);
    metrics.gauge("busbar_websocket_waiting", "WebSocket connections that wait for a place", () => line.waiting);
    const turnedAway = (reason: string) => metrics.counter("busbar_websocket_full_total", "WebSocket connections turned away with 1013, by reason", { reason });
    const turnAway = { address: turnedAway("address"), "line-full": turnedAway("line-full"), time: turnedAway("time") };
    const refuse = (ws: SessionSocket, reason: keyof typeof turnAway): void => {
      turnAway[reason].value++;
      ws.close(CloseCode.full, reason === "address" ? "too many connections from one address" : "all places are taken");
    };

    const seat = (ws: SessionSocket, request: IncomingMessage, socket: Duplex): void => {
      ws.on("error", () => {}); // "close" follows with the code; an unhandled "error" would end the process
      const address = request.socket.remoteAddress ?? "unknown";
      if (!addresses.take(address)) return refuse(ws, "address");
      ws.once("close", () => addresses.free(address));
      let early: EarlyMessages | undefined;
      let answered = false;
      const leave = line.ask(addressBlock(address), {
        enter() {
          answered = true;
          const connection = new Connection(ws, { request, socket }, { config, sessions: needs.sessions, log }, clock.now());
          connections.add(connection);
          ws.once("close", () => connections.delete(connection));
          if (early) connection.replay(early.take());
        },
        refuse(reason) {
          answered = true;
          early?.take();
          if (reason === "closing") ws.close(CloseCode.shuttingDown, "shutting down");
          else refuse(ws, reason);
        },
      });
      if (!answered) early = new EarlyMessages(ws, socket, { limit: config.frameLimit, budget });
      ws.once("close", () => {
        leave();
        if (!answered) early?.take();
      });
    };

    ctx.defer(() => {
      line.close(); // before a place becomes free
      for (const connection of connections) connection.close(CloseCode.shuttingDown, "shutting down");
    });
    ctx.defer(needs.http.upgrade(config.path, (request, socket, head) => server.handleUpgrade(request, socket, head, (ws) => seat(ws, request, socket))));
    clock.every(Math.max(100, Math.min(1000, config.ping / 4)), () => {
      const now = clock.now();
      for (const connection of connections) connection.beat(now);
    });
    ctx.announce({ what: "WebSocket", url: needs.http.url.replace(/^http/, "ws") + config.path, ...(needs.http.insecure && { insecure: true }) });
  },
});

/** Why the handshake failed (RFC 6455 §4.2.2, §4.4). */
function handshakeRefusal({ message }: Error, headers: IncomingMessage["headers"]): UpgradeRefusal {
  const isOther = headers["sec-websocket-version"] !== undefined && headers["sec-websocket-version"] !== "13";
  return isOther ? { status: 426, detail: message, headers: { "sec-websocket-version": "13" } } : { status: 400, detail: message };
}

function createServer({ frameLimit, compression }: WebSocketConfig): Server<typeof SessionSocket> {
  if (compression.enabled) guardInflate();
  // @types/ws does not know closeTimeout yet.
  const options: ServerOptions<typeof SessionSocket> & { readonly closeTimeout: number } = {
    noServer: true,
    clientTracking: false,
    closeTimeout,
    maxPayload: frameLimit,
    skipUTF8Validation: true, // the codec checks it, and says 4400 as WIRE §2 has it
    // Without context takeover no zlib state is kept per connection, and `ws` heeds the threshold.
    perMessageDeflate: compression.enabled ? { threshold: compression.threshold, serverNoContextTakeover: true, clientNoContextTakeover: true } : false,
    handleProtocols: (offered) => [...offered].find((name) => protocols.has(name)) ?? false, // the client's first choice (RFC 6455 §4.1)
    WebSocket: SessionSocket,
  };
  return new WebSocketServer(options);
}
