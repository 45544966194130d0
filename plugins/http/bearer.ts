import { BusbarError, errorCode, type Audit, type Authority, type Log, type Metrics, type Origin, type Principal } from "@busbar/core";
import type { Context } from "hono";
import type { AppEnv } from "./operation.ts";
import { unauthenticated } from "./problem.ts";
import { shownCredentials } from "./shown-credentials.ts";

/** The address the request came from; "unknown" where there is no socket. */
export function remoteOf(context: Context<AppEnv>): string {
  return context.env?.incoming?.socket.remoteAddress ?? "unknown";
}

/** Where it came from, for the audit log. */
export function originOf(context: Context<AppEnv>): Origin {
  return { transport: "http", remote: remoteOf(context) };
}

/**
 * Whether the request comes from this machine, by a client that meant this machine. A proxy's requests do not count, nor those of another site's page, nor of one
 * whose own name was pointed at loopback (DNS rebinding): such a browser still sends the page's name as `Host`.
 */
export function isLocal(context: Context<AppEnv>): boolean {
  const remote = remoteOf(context);
  if (!isLoopback(remote) || context.req.header("x-forwarded-for") !== undefined || context.req.header("forwarded") !== undefined) return false;
  if (!/^(?:same-origin|none)$/.test(context.req.header("sec-fetch-site") ?? "none")) return false;
  const host = (context.req.header("host") ?? "").replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
  return host === "localhost" || isLoopback(host);
}

/** Whether an address or name is this machine and nobody else. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^(?:::ffff:)?127(?:\.\d{1,3}){3}$/.test(host);
}

/** Makes the function that finds out who asks, by `Authorization: Bearer` or a client certificate. It throws 401. */
export function bearer(authority: Authority, parts: { readonly audit: Audit; readonly log: Log; readonly metrics: Metrics }): (context: Context<AppEnv>) => Promise<Principal> {
  const refused = parts.metrics.counter("busbar_http_refused_total", "Requests refused, by reason", { reason: "unauthenticated" });
  return async (context) => {
    const credentials = shownCredentials(context);
    if (credentials === undefined) {
      refused.value++;
      throw unauthenticated();
    }
    const remote = remoteOf(context);
    try {
      const principal = await authority.authenticate(credentials, { remote, transport: "http", signal: context.req.raw.signal });
      if (authority.stands(principal)) return principal;
      throw new BusbarError("UNAUTHENTICATED", `Cannot use the ${credentials.kind}: it has expired or was revoked`);
    } catch (error) {
      if (errorCode(error) !== "UNAUTHENTICATED") throw error;
      refused.value++;
      parts.log.warn(`Refused a ${credentials.kind}`, { remote, reason: error });
      parts.audit.write("login-failed", { transport: "http", remote, code: "UNAUTHENTICATED" });
      throw unauthenticated(error);
    }
  };
}
