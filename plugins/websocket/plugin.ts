import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { BusbarError, bareEnvelopeProto, CloseCode, definePlugin, envelopeJson, envelopeProto, HttpPort, iotData, SessionsPort, userInform, type Codec, type Credentials, type PluginContext, type Session } from "@busbar/core";
import { WebSocketServer, type WebSocket } from "ws";
import { configSchema, type WebSocketConfig } from "./config.ts";
import { WebSocketTransport } from "./transport.ts";
import { WaitingLine } from "./waiting-line.ts";

const needs = { http: HttpPort, sessions: SessionsPort } as const;

type Context = PluginContext<WebSocketConfig, typeof needs>;

/** One connection and when it last gave a sign of life. */
interface Peer {
  readonly ws: WebSocket;
  readonly session: Session;
  lastSign: number;
  lastPing: number;
}

const binaryCodecs = { "iot-data": iotData, "user-inform": userInform } as const;

/** WebSocket sessions on the shared HTTP server (WIRE §2). */
export const websocket = definePlugin({
  name: "websocket",
  description: "WebSocket sessions in JSON and protobuf on the shared HTTP server",
  config: configSchema,
  needs,
  setup(ctx) {
    const { config, clock, metrics } = ctx;
    const server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      maxPayload: config.frameLimit,
      skipUTF8Validation: true, // the codec checks it, and says 4400 as WIRE §2 has it
      perMessageDeflate: config.compression.enabled ? { threshold: config.compression.threshold, serverNoContextTakeover: true, clientNoContextTakeover: true } : false,
      handleProtocols: (offered) => [envelopeJson.name, envelopeProto.name].find((name) => offered.has(name)) ?? false,
    });
    const line = new WaitingLine({ places: config.maxConnections, ...config.waitingLine }, clock);
    const peers = new Set<Peer>();
    metrics.gauge("busbar_websocket_connections", "WebSocket connections with a session", () => line.taken);
    metrics.gauge("busbar_websocket_waiting", "WebSocket connections that wait for a place", () => line.waiting);
    const full = metrics.counter("busbar_websocket_full_total", "WebSocket connections turned away because all places were taken");

    ctx.defer(() => {
      for (const { session } of peers) session.close(CloseCode.shuttingDown, "shutting down");
    });
    ctx.defer(
      ctx.needs.http.upgrade(config.path, (request, socket, head) => {
        server.handleUpgrade(request, socket, head, (ws) => {
          ws.on("error", () => {}); // "close" follows with the code; an unhandled "error" would end the process
          ws.pause();
          const leave = line.ask(
            () => {
              ws.resume();
              accept(ctx, ws, { request, socket, peers });
            },
            () => {
              full.value++;
              ws.resume();
              ws.close(CloseCode.full, "all places are taken");
            },
          );
          ws.once("close", leave);
        });
      }),
    );
    clock.every(Math.max(100, Math.min(1000, config.ping / 4)), () => beat(peers, config, clock.now()));
    ctx.announce({ what: "WebSocket", url: ctx.needs.http.url.replace(/^http/, "ws") + config.path });
  },
});

function accept(ctx: Context, ws: WebSocket, { request, socket, peers }: { readonly request: IncomingMessage; readonly socket: Duplex; readonly peers: Set<Peer> }): void {
  const { config, clock } = ctx;
  const transport = new WebSocketTransport(ws, { socket, remote: request.socket.remoteAddress ?? "unknown", compressed: ws.extensions !== "", after: (ms, callback) => clock.after(ms, callback) });
  const proto = ws.protocol === envelopeProto.name;
  const credentials = credentialsOf(request);
  const peer: Peer = {
    ws,
    lastSign: clock.now(),
    lastPing: clock.now(),
    session: ctx.needs.sessions.open(transport, {
      codec: (proto ? envelopeProto : envelopeJson).create(),
      binary: proto,
      ...(proto ? {} : { binaryCodec: bareBinary }),
      ...(credentials && { credentials }),
      limits: { authTimeout: config.authTimeout, rate: config.rate, subscriptions: config.subscriptions, inFlight: config.inFlight, redeliver: config.redeliver, buffer: config.buffer, slowConsumer: config.slowConsumer },
    }),
  };
  peers.add(peer);
  let deviceCodec: Codec | undefined;
  ws.on("message", (data: Buffer, binary: boolean) => {
    peer.lastSign = clock.now();
    if (binary === proto) peer.session.receive(data, 0, data.length);
    else if (binary) peer.session.receive(data, 0, data.length, (deviceCodec ??= binaryCodecs[config.binary].create()));
    else peer.session.fail(new SyntaxError(`Cannot decode the frame: text on a ${envelopeProto.name} session`));
  });
  const sign = (): void => void (peer.lastSign = clock.now());
  ws.on("ping", sign);
  ws.on("pong", sign);
  ws.on("error", (error: Error & { code?: string }) => {
    if (error.code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH") peer.session.fail(new BusbarError("TOO_LARGE", `Cannot take a frame of more than ${config.frameLimit} bytes`));
    else ctx.log.debug("connection broken", { remote: transport.remote, error });
  });
  ws.once("close", () => {
    peers.delete(peer);
    peer.session.ended();
  });
}

/** Sends pings that are due and ends who gave no sign of life (RFC 6455 §5.5.2). */
function beat(peers: ReadonlySet<Peer>, config: WebSocketConfig, now: number): void {
  for (const peer of peers) {
    if (now - peer.lastSign >= config.idleTimeout) {
      peer.session.close(CloseCode.heartbeat, "no sign of life");
      peer.ws.terminate();
    } else if (now - peer.lastPing >= config.ping) {
      peer.lastPing = now;
      if (peer.ws.readyState === peer.ws.OPEN) peer.ws.ping();
    }
  }
}

/** Deliveries that were asked for with `"binary": true` are bare `busbar.v1.Envelope`s; nothing else goes through it. */
const bareBinary: Codec = {
  decode: () => [],
  encode: () => undefined,
  encodeMessage: bareEnvelopeProto,
};

function credentialsOf(request: IncomingMessage): Credentials | undefined {
  const bearer = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? "")?.[1];
  if (bearer !== undefined) return { kind: "token", token: bearer };
  const tls = request.socket as Partial<TLSSocket>;
  if (!tls.authorized) return undefined;
  const certificate = tls.getPeerCertificate?.();
  if (!certificate?.fingerprint256) return undefined;
  const names = [certificate.subject?.CN ?? "", ...(certificate.subjectaltname ?? "").split(", ").map((name) => (name.startsWith("DNS:") ? name.slice(4) : undefined))];
  return { kind: "certificate", names: names.flat().filter((name) => name !== undefined), fingerprint: certificate.fingerprint256 };
}
