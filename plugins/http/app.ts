import { Hono, type Context, type MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { cors } from "hono/cors";
import { methodNotAllowed } from "hono/method-not-allowed";
import { auditOperations } from "./audit.ts";
import { bearer, remoteOf } from "./bearer.ts";
import { commandOperations } from "./commands.ts";
import { consoleOperations, type ConsoleCode } from "./console-code.ts";
import { deadLetterOperations } from "./dead-letters.ts";
import { deviceOperations } from "./devices.ts";
import { enrolmentOperations } from "./enrolments.ts";
import { gatewayOperations } from "./gateway.ts";
import { messageOperations } from "./messages.ts";
import type { Mounts } from "./mounts.ts";
import { openApiDocument } from "./openapi.ts";
import type { AnyOperation, ApiParts, AppEnv } from "./operation.ts";
import { servePage } from "./page.ts";
import { Problem, problemOf } from "./problem.ts";
import { readerOperations } from "./readers.ts";
import { reloadOperations } from "./reload.ts";
import { revocationOperations } from "./revocations.ts";
import { addSecurityHeaders } from "./security-headers.ts";
import { seriesOperations } from "./series.ts";
import type { SiteGuard } from "./site-guard.ts";
import { check, queryParser, readJson } from "./validate.ts";

/** What the app is made of besides the parts of the API. */
export interface AppOptions {
  /** Routes of other plugins: asked when nothing of ours answers. */
  readonly mounts: Mounts;
  /** Turns requests of other sites' pages away. */
  readonly guard: SiteGuard;
  /** The code of the console link; absent = no console. */
  readonly code?: ConsoleCode | undefined;
  /** For the OpenAPI document. */
  readonly version: string;
}

const nobody = { id: "nobody", roles: [], groups: [] };

/** Builds the whole HTTP side: API, health, metrics, OpenAPI, console, and the routes of other plugins below the same headers and limits. */
export function createApp(parts: ApiParts, options: AppOptions): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  const limit = limitBody(parts.config.bodyLimit);
  app.use(record(parts));
  app.use(addSecurityHeaders(parts.config.tls !== undefined));
  app.use(options.guard.middleware);
  const { origins } = parts.config.cors;
  if (origins.length > 0) app.use(cors({ origin: origins.includes("*") ? "*" : origins, allowMethods: ["GET", "HEAD", "POST"], allowHeaders: ["Authorization", "Content-Type"], exposeHeaders: ["Location", "Retry-After"], maxAge: 600 }));
  app.use(methodNotAllowed({ app, onMethodNotAllowed: (_context, methods) => new Problem(405, { headers: { allow: methods.join(", ") } }).response() }));
  app.onError((error, context) => answerError(parts, error, context));
  app.notFound(() => new Problem(404, { code: "NOT_FOUND" }).response());

  const operations = [...messageOperations(parts), ...auditOperations(parts), ...deviceOperations(parts), ...seriesOperations(parts), ...commandOperations(parts), ...deadLetterOperations(parts), ...readerOperations(parts), ...reloadOperations(parts), ...revocationOperations(parts), ...enrolmentOperations(parts), ...gatewayOperations(parts), ...(options.code ? consoleOperations(parts, options.code) : [])];
  for (const operation of operations) addOperation(app, operation, { parts, limit });
  let document: string | undefined; // made when it is first asked for: conversion takes some milliseconds
  app.get("/openapi.json", (context) => context.body((document ??= JSON.stringify(openApiDocument(operations, options.version))), 200, { "content-type": "application/json" }));
  if (options.code) servePage(app);
  app.all(
    "*",
    (context, next) => (options.mounts.find(context.req.path) ? next() : Promise.resolve(context.notFound())),
    limit,
    async (context) => {
      context.set("content", "mount");
      const response = await options.mounts.find(context.req.path)?.(realRequest(context.req.raw));
      return response ? new Response(response.body, response) : context.notFound(); // the headers of a redirect or of what was fetched cannot be set
    },
  );
  return app;
}

function addOperation(app: Hono<AppEnv>, operation: AnyOperation, options: { readonly parts: ApiParts; readonly limit: MiddlewareHandler<AppEnv> }): void {
  const { method, path, params, query, body, open } = operation;
  const authenticate = bearer(options.parts.authority, options.parts);
  const parseQuery = query && queryParser(query);
  const limit: MiddlewareHandler<AppEnv> = body ? options.limit : (_context, next) => next();
  app[method](
    path,
    async (context, next) => {
      context.set("principal", open ? nobody : await authenticate(context)); // before the body is read: strangers make us read nothing
      await next();
    },
    limit,
    async (context) => {
      const response = await operation.handle({
        context,
        principal: context.get("principal"),
        params: params && check(params, context.req.param(), 400, "path"),
        query: parseQuery?.(context),
        body: body && check(body, await readJson(context, options.parts.config.nesting), 422, "body"),
      });
      response.headers.set("cache-control", "no-store");
      return response;
    },
  );
}

/** Counts and logs each request: the path, never the query or a header, as those may hold secrets. */
function record(parts: ApiParts): MiddlewareHandler<AppEnv> {
  const counters = [2, 3, 4, 5].map((digit) => parts.metrics.counter("busbar_http_requests_total", "HTTP requests answered, by class of status", { status: `${digit}xx` }));
  return async (context, next) => {
    const began = performance.now();
    await next();
    const { status } = context.res;
    const counter = counters[Math.trunc(status / 100) - 2];
    if (counter) counter.value++;
    parts.log.debug(`${context.req.method} ${context.req.path}`, { status, ms: Math.round(performance.now() - began), remote: remoteOf(context) });
  };
}

function limitBody(maxSize: number): MiddlewareHandler<AppEnv> {
  const limit = bodyLimit({ maxSize, onError: () => new Problem(413, { code: "TOO_LARGE", detail: `The body is larger than ${maxSize} bytes`, headers: { connection: "close" } }).response() });
  return async (context, next) => {
    if (!context.req.raw.headers.has("transfer-encoding")) return limit(context, next);
    context.req.raw = realRequest(context.req.raw);
    try {
      return await limit(context, next); // reads such a body to its end; what handlers throw later does not come by here
    } catch (cause) {
      throw new Problem(400, { detail: "The body did not arrive whole", cause });
    }
  };
}

/**
 * @hono/node-server hands over an object that looks like a Request and, with `overrideGlobalObjects: false` (FACTS T4), is refused by `new Request(it)` on
 * both runtimes: bodyLimit fails on a chunked body, and a mounted app may fail anywhere. This makes a real one.
 */
function realRequest(request: Request): Request {
  const { method, body } = request;
  return new Request(request.url, { method, headers: request.headers, signal: request.signal, ...(body === null || method === "GET" || method === "HEAD" ? {} : { body, duplex: "half" as const }) });
}

function answerError(parts: ApiParts, error: Error, context: Context<AppEnv>): Response {
  const problem = problemOf(error);
  const { status } = problem;
  if (status === 403) {
    parts.metrics.counter("busbar_http_refused_total", "Requests refused, by reason", { reason: "forbidden" }).value++;
    parts.log.warn("Refused a request", { principal: context.get("principal")?.id, method: context.req.method, path: context.req.path, reason: error });
    parts.audit.write("refused", { id: context.get("principal")?.id, transport: "http", remote: remoteOf(context), code: "FORBIDDEN", method: context.req.method, path: context.req.path, reason: problem.message });
  }
  if (status === 500 || status === 504) parts.log.error("A request failed", { method: context.req.method, path: context.req.path, reason: error });
  return problem.response();
}
