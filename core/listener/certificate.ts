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
  const alternatives = subjectaltname.split(", ").filter((name) => name.startsWith("DNS:")).map((name) => name.slice(4));
  return { kind: "certificate", names: [subject?.CN ?? "", alternatives].flat(), fingerprint: fingerprint256 };
}
