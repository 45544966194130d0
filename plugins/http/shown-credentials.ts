import { certificateOf, type Credentials } from "@busbar/core";
import type { Context } from "hono";
import type { AppEnv } from "./operation.ts";

/** What a request shows by itself: a bearer token (RFC 6750 §2.1), else a client certificate that TLS has verified, else nothing. */
export function shownCredentials(context: Context<AppEnv>): Credentials | undefined {
  const token = /^bearer +(\S+) *$/i.exec(context.req.header("authorization") ?? "")?.[1];
  return token === undefined ? shownCertificate(context) : { kind: "token", token };
}

/** The client certificate of the connection, where whoever asks meant to show it. */
export function shownCertificate(context: Context<AppEnv>): Credentials | undefined {
  const socket = context.env?.incoming?.socket;
  return socket !== undefined && isMeant(context) ? certificateOf(socket) : undefined;
}

/**
 * A browser shows its user's certificate whichever page asks; only a page of this very host may use it. It says so in `Sec-Fetch-Site` (W3C Fetch Metadata), or at least in `Origin`; other
 * clients send neither.
 */
function isMeant({ req }: Context<AppEnv>): boolean {
  const site = req.header("sec-fetch-site");
  if (site !== undefined && site !== "same-origin" && site !== "none") return false;
  const origin = req.header("origin");
  return origin === undefined || (URL.canParse(origin) && new URL(origin).host === req.header("host")?.toLowerCase());
}
