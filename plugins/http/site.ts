import { isLoopback } from "./bearer.ts";

/** How browsers reach the server, out of its config. */
export interface SiteOptions {
  /** The address it listens on. */
  readonly host: string;
  readonly tls?: unknown;
  readonly origins: readonly string[];
  readonly hosts?: readonly string[] | undefined;
  readonly cors: { readonly origins: readonly string[] };
}

/** What a request says about where it goes and which page sent it; header values as they came. */
export interface SiteRequest {
  /** Every `Host` there is. */
  readonly hosts: readonly string[];
  /** The request target: a path, or a whole URL (RFC 9112 §3.2.2). */
  readonly target: string;
  readonly origin: string | undefined;
  /** `Sec-Fetch-Site` (W3C Fetch Metadata). */
  readonly fetchSite: string | undefined;
}

/** Whose page sent a request: nobody's or our own, one of those that the config lets call us, or any other. */
export type Sender = "own" | "allowed" | "foreign";

/** The names and origins of the server, as browsers see them. */
export interface Site {
  /** `malformed`: no `Host`, several, or no name and port; `unknown`: a name that is not ours, as when the owner of a name points it at this machine (DNS rebinding). */
  checkHost(request: SiteRequest): "known" | "unknown" | "malformed";
  /** Browsers send `Origin` with upgrades and with all that is not GET or HEAD, and pages cannot change it (Fetch §3.1). Other clients send none. */
  senderOf(request: SiteRequest): Sender;
}

/** An authority (RFC 3986 §3.2) without a user. */
const authority = /^(?:\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{0,5})?$/i;

/** Makes the site of a server. */
export function createSite({ host, tls, origins, hosts, cors }: SiteOptions): Site {
  const scheme = tls === undefined ? "http:" : "https:";
  const own = new Set(origins.map(originOf));
  const allowed = new Set(cors.origins.filter((origin) => origin !== "*").map(originOf));
  const names = new Set([...(hosts ?? []).map((name) => nameOf(new URL(`http://${name === "*" ? "any" : name}`))), ...origins.map((origin) => nameOf(new URL(origin)))]);
  const anyName = hosts === undefined ? !isLoopback(host) : hosts.includes("*");
  const anyOrigin = cors.origins.includes("*");
  let last: string | undefined; // clients of one server send the same Host again and again

  return {
    checkHost(request) {
      const [text] = request.hosts;
      if (request.hosts.length !== 1 || text === undefined) return "malformed";
      if (text !== last) {
        const url = urlOf(scheme, text);
        if (url === undefined) return "malformed";
        if (!anyName && !isOurName(url, names)) return "unknown";
        last = text;
      }
      if (request.target.startsWith("/") || request.target === "*") return "known";
      if (!/^https?:\/\//i.test(request.target) || !URL.canParse(request.target)) return "malformed";
      return anyName || isOurName(new URL(request.target), names) ? "known" : "unknown";
    },
    senderOf({ hosts: [text = ""], origin, fetchSite }) {
      const isOurs = fetchSite === undefined || fetchSite === "same-origin" || fetchSite === "none";
      if (origin === undefined) return isOurs ? "own" : "foreign";
      if (!/^https?:\/\/[^/?#@\s\\]+$/i.test(origin) || !URL.canParse(origin)) return "foreign"; // "null" too: a page that hides where it is from
      const from = originOf(origin);
      if (own.has(from)) return "own";
      const url = urlOf(scheme, text);
      if (isOurs && url !== undefined && originOf(url.href) === from) return "own";
      return anyOrigin || allowed.has(from) ? "allowed" : "foreign";
    },
  };
}

/** The URL of a `Host`; undefined when it is none. */
function urlOf(scheme: string, host: string): URL | undefined {
  if (!authority.test(host)) return undefined;
  const text = `${scheme}//${host}`;
  return URL.canParse(text) ? new URL(text) : undefined;
}

/** Nobody can point an address, or a name below localhost (RFC 6761 §6.3), somewhere else. */
function isOurName(url: URL, names: ReadonlySet<string>): boolean {
  const name = nameOf(url);
  return name.startsWith("[") || /^\d+(?:\.\d+){3}$/.test(name) || name === "localhost" || name.endsWith(".localhost") || names.has(name);
}

/** The host as URLs have it, small letters and addresses in one form, without the dot that may end a name. */
function nameOf(url: URL): string {
  return url.hostname.replace(/\.$/, "");
}

/** Scheme, name and port in one form; a port that goes without saying is left out. */
function originOf(text: string): string {
  const url = new URL(text);
  return `${url.protocol}//${nameOf(url)}:${url.port}`;
}
