import { createPrivateKey, X509Certificate } from "node:crypto";
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { BusbarError } from "../errors.ts";
import type { PluginContext } from "../plugin.ts";
import { plainAddress } from "./address.ts";
import { readConfigFile } from "./config-file.ts";
import type { ListenerConfig } from "./listener-config.ts";

/** A TLS handshake that takes longer is given up. */
const handshakeTimeout = 10_000;

/**
 * Makes the server of a config, not listening yet: TCP, or TLS with the files that the config names. `accept` gets each connection once its handshake is done.
 * @throws {BusbarError} CONFIG when a file cannot be read or used, or the key is not the certificate's.
 */
export async function createSocketServer({ config, log, path }: Pick<PluginContext<ListenerConfig>, "config" | "log" | "path">, accept: (socket: Socket) => void): Promise<Server> {
  const { tls, clients } = config;
  if (tls === undefined) return createServer(accept);
  const [cert, key, ca] = await Promise.all([
    readConfigFile(path(tls.certFile), "certificate"),
    readConfigFile(path(tls.keyFile), "private key"),
    tls.caFile === undefined ? undefined : readConfigFile(path(tls.caFile), "certificate of the authority"),
  ]);
  if (!belongTogether(cert, key)) throw new BusbarError("CONFIG", `Cannot use the certificate "${tls.certFile}" with the key "${tls.keyFile}": they do not belong together`);
  const options = { cert, key, ...(ca && { ca }), requestCert: tls.requestClientCert, rejectUnauthorized: clients?.by === "certificate", handshakeTimeout, minVersion: "TLSv1.2" } as const;
  const server = createTlsServer(options, accept);
  server.on("tlsClientError", (error, socket) => log.warn("TLS handshake failed", { remote: plainAddress(socket.remoteAddress ?? "unknown"), error }));
  return server;
}

/** Deno's TLS would find out only when the first client comes. */
function belongTogether(cert: Buffer, key: Buffer): boolean {
  try {
    return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
  } catch (error) {
    throw new BusbarError("CONFIG", "Cannot use the certificate and the key: they are no PEM files", { cause: error });
  }
}
