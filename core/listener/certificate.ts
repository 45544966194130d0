import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Credentials } from "../authority.ts";
import { certificateNames } from "./certificate-names.ts";

/** The client certificate of a connection, when there is one that TLS has verified and whose names can be read. */
export function certificateOf(socket: Socket | TLSSocket): Extract<Credentials, { readonly kind: "certificate" }> | undefined {
  if (!("authorized" in socket) || !socket.authorized) return undefined;
  const { raw, fingerprint256, valid_to: validTo } = socket.getPeerCertificate();
  if (!fingerprint256) return undefined;
  try {
    return { kind: "certificate", names: certificateNames(raw), fingerprint: fingerprint256, expires: Date.parse(validTo) };
  } catch (error) {
    if (error instanceof RangeError) return undefined; // nobody that we could name
    throw error;
  }
}
