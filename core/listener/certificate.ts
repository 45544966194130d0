import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Credentials } from "../authority.ts";

/**
 * The client certificate of a connection, when there is one that TLS has verified. Its names are the subject's CN, "" where it has none, and then the DNS names
 * of its SAN (RFC 6125 §6.4).
 */
export function certificateOf(socket: Socket | TLSSocket): Credentials | undefined {
  if (!("authorized" in socket) || !socket.authorized) return undefined;
  const { subject, subjectaltname = "", fingerprint256 } = socket.getPeerCertificate();
  if (!fingerprint256) return undefined;
  return { kind: "certificate", names: [subject?.CN ?? "", dnsNames(subjectaltname)].flat(), fingerprint: fingerprint256 };
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
