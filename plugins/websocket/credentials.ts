import type { IncomingMessage } from "node:http";
import { certificateOf, type Credentials } from "@busbar/core";

/** What an upgrade request shows by itself (WIRE §2): a bearer token (RFC 6750 §2.1), else a client certificate that TLS has verified, else nothing. */
export function credentialsOf(request: IncomingMessage): Credentials | undefined {
  const token = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? "")?.[1];
  if (token !== undefined) return { kind: "token", token };
  return isOwnPage(request) ? certificateOf(request.socket) : undefined;
}

/** A browser shows its user's certificate whichever page asks for the connection; only a page from this very host may use it (RFC 6455 §10.2). Other clients send no Origin. */
function isOwnPage({ headers: { origin, host } }: IncomingMessage): boolean {
  return origin === undefined || (URL.canParse(origin) && new URL(origin).host === host?.toLowerCase());
}
