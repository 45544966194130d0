import { createServer as createHttpServer, type IncomingMessage, type Server } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { getRequestListener, RequestError } from "@hono/node-server";
import { BusbarError, openServerCertificate, type CertificateContext, type Sessions } from "@busbar/core";
import type { HttpConfig } from "./config.ts";
import { Problem } from "./problem.ts";
import { securityHeaders } from "./security-headers.ts";
import { endWith, type UpgradeHandler } from "./upgrades.ts";

/** What the server needs of its plugin. */
export type ServerContext = CertificateContext & { readonly needs: { readonly sessions: Pick<Sessions, "door"> } };

/** What the server hands its connections to. */
export interface ServerHandlers {
  fetch(request: Request, env: object): Response | Promise<Response>;
  readonly upgrade: UpgradeHandler;
}

/** A listening server. */
export interface HttpServer {
  /** The port it listens on, also where the config says 0. */
  readonly port: number;
  /** Stops accepting, lets running requests end for at most 3 s, then ends every connection. */
  close(): Promise<void>;
}

const drainTime = 3000;
/** Connections at once from one other machine where the config does not say: more than WebSocket's 1,000, so that who has too many of those is told so. */
const usualPerAddress = 1200;

/**
 * Listens, with TLS where the config has it.
 * @throws {BusbarError} UNAVAILABLE when the address cannot be had, CONFIG when a TLS file cannot be read or used.
 */
export async function openServer(config: HttpConfig, handlers: ServerHandlers, ctx: ServerContext): Promise<HttpServer> {
  const server = await createServer(config, handlers, ctx);
  const sockets = new Set<Duplex>();
  let closing = false;
  ctx.needs.sessions.door.guard(server, { places: config.maxConnections, perAddress: config.perAddress, usualPerAddress });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.on("request", (_request, response) => {
    // A connection that a running request kept alive is idle only after this, and would hold close() up.
    response.once("close", () => closing && setImmediate(() => server.closeIdleConnections()));
  });
  server.on("upgrade", handlers.upgrade);
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => endWith(socket, clientProblem(error), config.tls !== undefined));
  server.on("checkExpectation", (request: IncomingMessage) => endWith(request.socket, new Problem(417), config.tls !== undefined));
  await listen(server, config);
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      closing = true;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      const cancel = ctx.clock.after(drainTime, () => {
        for (const socket of sockets) socket.destroy(); // upgraded ones too, which the server itself has lost sight of
      });
      await closed;
      cancel();
    },
  };
}

async function createServer(config: HttpConfig, handlers: ServerHandlers, ctx: CertificateContext): Promise<Server> {
  const { headers, request } = config.timeouts;
  // Node looks for late requests every 30 s unless told otherwise.
  const common = { headersTimeout: Math.min(headers, request), requestTimeout: request, connectionsCheckingInterval: Math.min(1000, headers), keepAliveTimeout: 5000, requireHostHeader: false }; // who leaves Host out is answered by us, with the headers of every answer
  const listener = getRequestListener((incoming, env) => handlers.fetch(incoming, env), { errorHandler: (error) => requestProblem(error, config), overrideGlobalObjects: false });
  if (config.tls === undefined) return createHttpServer(common, listener);
  const certificate = await openServerCertificate(ctx, config.tls);
  const server = createHttpsServer({ ...common, ...certificate.options }, listener);
  certificate.serve(server);
  return server;
}

function listen(server: Server, { host, port }: HttpConfig): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void => reject(new BusbarError("UNAVAILABLE", `Cannot listen on ${host}:${port}: ${reasonOf(error)}`));
    server.once("error", onError);
    server.listen(port, host, () => {
      server.off("error", onError);
      resolve();
    });
  });
}

function reasonOf({ code, message }: NodeJS.ErrnoException): string {
  if (code === "EADDRINUSE") return "the port is in use";
  if (code === "EACCES") return "the port needs more rights";
  if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND") return "this machine has no such address";
  return message;
}

/** What is said to a client whose request the app never saw, such as one without a host. */
function requestProblem(error: unknown, { tls }: HttpConfig): Response {
  const response = new Problem(error instanceof RequestError ? 400 : 500).response();
  for (const [name, value] of securityHeaders(tls !== undefined)) response.headers.set(name, value);
  return response;
}

/** What is said to a client whose bytes never became a request. */
function clientProblem({ code }: NodeJS.ErrnoException): Problem {
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return new Problem(408);
  if (code === "HPE_HEADER_OVERFLOW") return new Problem(431);
  return new Problem(400);
}
