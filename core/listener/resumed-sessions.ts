import { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";

/** What a resumed TLS session is held against. */
export interface ResumptionRule {
  /** Whose client certificates are believed now. */
  readonly authorities: readonly X509Certificate[];
  /** Whether nobody may come without one. */
  readonly demand: boolean;
}

/**
 * Looks at a connection whose handshake is done. Who resumes a TLS session (RFC 8446 §2.2) is not asked for a certificate again: Deno also resumes sessions of earlier authorities, and of other
 * listeners of the process, whatever they asked for. A certificate that no present authority has signed itself counts as none; where one is demanded the connection ends.
 */
export function checkResumed(socket: TLSSocket, { authorities, demand }: ResumptionRule): void {
  if (!socket.isSessionReused()) return;
  const { raw } = socket.getPeerCertificate();
  if (raw !== undefined && socket.authorized && isSignedBy(new X509Certificate(raw), authorities)) return;
  socket.authorized = false;
  if (demand) socket.destroy();
}

function isSignedBy(certificate: X509Certificate, authorities: readonly X509Certificate[]): boolean {
  return authorities.some((authority) => certificate.checkIssued(authority) && certificate.verify(authority.publicKey));
}
