import type { IncomingMessage } from "node:http";
import type { Audit, Counter, Log, Metrics } from "@busbar/core";
import type { Context, MiddlewareHandler } from "hono";
import { remoteOf } from "./bearer.ts";
import type { AppEnv } from "./operation.ts";
import { Problem } from "./problem.ts";
import type { Site, SiteRequest } from "./site.ts";

/** Methods that change nothing here; what they answer is readable by other sites' pages only as CORS allows. */
const safeMethods: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/** Turns requests of other sites' pages away, before anything is done for them. */
export class SiteGuard {
  readonly #site: Site;
  readonly #log: Log;
  readonly #audit: Audit;
  readonly #refused: Readonly<Record<"host" | "origin", Counter>>;

  constructor(site: Site, { log, audit, metrics }: { readonly log: Log; readonly audit: Audit; readonly metrics: Metrics }) {
    this.#site = site;
    this.#log = log;
    this.#audit = audit;
    const refused = (reason: string): Counter => metrics.counter("busbar_http_refused_total", "Requests refused, by reason", { reason });
    this.#refused = { host: refused("host"), origin: refused("origin") };
  }

  /** Checks every request's `Host`, and who sent those that may change something. */
  readonly middleware: MiddlewareHandler<AppEnv> = (context, next) => {
    const request = requestIn(context);
    const problem = this.#problemOf(request, safeMethods.has(context.req.method), { remote: remoteOf(context), method: context.req.method, path: context.req.path });
    return problem ? Promise.resolve(problem.response()) : next();
  };

  /** Why a connection is not to become another protocol's; undefined when it may. */
  checkUpgrade(request: IncomingMessage): Problem | undefined {
    const { headers, url = "", method, socket } = request;
    const asked = { hosts: hostsIn(request.rawHeaders), target: url, origin: headers.origin, fetchSite: textOf(headers["sec-fetch-site"]) };
    return this.#problemOf(asked, false, { remote: socket.remoteAddress ?? "unknown", method, path: url.split("?", 1)[0] });
  }

  #problemOf(request: SiteRequest, safe: boolean, place: Readonly<Record<string, unknown>>): Problem | undefined {
    const host = this.#site.checkHost(request);
    if (host === "malformed") return new Problem(400, { detail: "The Host header is missing, or no single name and port" });
    if (host === "unknown") return this.#refuse("host", request, place);
    if (!safe && this.#site.senderOf(request) === "foreign") return this.#refuse("origin", request, place);
    return undefined;
  }

  #refuse(reason: "host" | "origin", { hosts, origin }: SiteRequest, place: Readonly<Record<string, unknown>>): Problem {
    this.#refused[reason].value++;
    const fields = { ...place, host: shown(hosts[0]), origin: shown(origin) };
    const text = reason === "host" ? "Refused a request for a host that is none of ours" : "Refused a request of another site's page";
    this.#log.warn(text, { ...fields, setting: reason === "host" ? "hosts" : "origins" });
    this.#audit.write("refused", { ...fields, transport: "http", code: "FORBIDDEN", reason: text });
    if (reason === "host") return new Problem(421, { code: "FORBIDDEN", detail: "No such host is served here: the setting hosts names those that are" });
    return new Problem(403, { code: "FORBIDDEN", detail: "The page that asks is of another site: the settings origins and cors.origins name those that may" });
  }
}

function requestIn(context: Context<AppEnv>): SiteRequest {
  const incoming = context.env?.incoming;
  const host = context.req.header("host");
  return {
    hosts: incoming?.rawHeaders ? hostsIn(incoming.rawHeaders) : host === undefined ? [] : [host],
    target: incoming?.url ?? "/",
    origin: context.req.header("origin"),
    fetchSite: context.req.header("sec-fetch-site"),
  };
}

/** Node keeps only the first `Host` in `headers`; a proxy may have gone by another (RFC 9112 §3.2). */
function hostsIn(rawHeaders: readonly string[]): readonly string[] {
  return rawHeaders.filter((_value, at) => at % 2 === 1 && rawHeaders[at - 1]!.toLowerCase() === "host");
}

function textOf(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === "object" ? value.join(", ") : value;
}

function shown(text: string | undefined): string | undefined {
  return text?.slice(0, 200);
}
