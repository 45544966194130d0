import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { openServerCertificate, type CertificateContext } from "./server-certificate.ts";
import type { TlsConfig } from "./tls-config.ts";

/** What is served on a socket. */
export interface SocketServerOptions {
  /** Absent = TCP. */
  readonly tls: TlsConfig | undefined;
  /** Let nobody in without a client certificate, whatever `tls` says. Default false. */
  readonly demandCertificate?: boolean;
  /** Gets each connection once its handshake is done; it owns the socket. */
  readonly accept: (socket: Socket) => void;
}

/**
 * Makes a server that does not listen yet: TCP, or TLS whose certificate follows its files. The caller closes it.
 * @throws {BusbarError} CONFIG when a file cannot be read or used, or the key is not the certificate's.
 */
export async function createSocketServer(ctx: CertificateContext, { tls, demandCertificate = false, accept }: SocketServerOptions): Promise<Server> {
  if (tls === undefined) return createServer(accept);
  const certificate = await openServerCertificate(ctx, tls, { demand: demandCertificate });
  const server = createTlsServer(certificate.options, accept);
  certificate.serve(server);
  return server;
}
