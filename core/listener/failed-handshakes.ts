import type { Server as TlsServer, TLSSocket } from "node:tls";
import { plainAddress } from "./address.ts";
import type { CertificateContext } from "./server-certificate.ts";

/** Counts and logs a server's handshakes that fail, and ends their connections: one that has only taken too long stays open otherwise, on both runtimes. */
export function endFailedHandshakes(server: TlsServer, { id, log, metrics }: Pick<CertificateContext, "id" | "log" | "metrics">): void {
  const failed = metrics.counter("busbar_tls_handshakes_failed_total", "TLS handshakes that failed", { instance: id });
  server.on("tlsClientError", (error: Error, socket: TLSSocket) => {
    failed.value++;
    log.warn("TLS handshake failed", { remote: plainAddress(socket.remoteAddress ?? "unknown"), error });
    socket.destroy();
  });
}
