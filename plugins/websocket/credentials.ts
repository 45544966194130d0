import type { IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";
import type { Credentials } from "@busbar/core";

/** What an upgrade request shows by itself (WIRE §2): a bearer token (RFC 6750 §2.1), else a client certificate that TLS has verified, else nothing. */
export function credentialsOf(request: IncomingMessage): Credentials | undefined {
  const token = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? "")?.[1];
  if (token !== undefined) return { kind: "token", token };
  const socket = request.socket as Partial<TLSSocket>;
  if (!socket.authorized || !isOwnPage(request)) return undefined;
  const certificate = socket.getPeerCertificate?.();
  if (!certificate?.fingerprint256) return undefined;
  return { kind: "certificate", names: [certificate.subject?.CN ?? [], dnsNames(certificate.subjectaltname ?? "")].flat(), fingerprint: certificate.fingerprint256 };
}

/** A browser shows its user's certificate whichever page asks for the connection; only a page from this very host may use it (RFC 6455 §10.2). Other clients send no Origin. */
function isOwnPage({ headers: { origin, host } }: IncomingMessage): boolean {
  return origin === undefined || (URL.canParse(origin) && new URL(origin).host === host?.toLowerCase());
}

/**
 * The DNS names of a subjectAltName as Node writes it, `DNS:a.example, IP Address:127.0.0.1`. It puts an entry with a comma or a quote in it in quotes: that is no DNS name, and
 * must not be split into some.
 */
export function dnsNames(subjectAltName: string): readonly string[] {
  return subjectAltName
    .replace(/"(?:[^"\\]|\\.)*"/g, '"')
    .split(", ")
    .filter((entry) => entry.startsWith("DNS:") && !entry.includes('"'))
    .map((entry) => entry.slice(4));
}
