import { constants } from "node:crypto";
import type { TlsOptions } from "node:tls";
import { asksForCertificate, type TlsConfig } from "./tls-config.ts";
import type { TlsFiles } from "./tls-files.ts";

/**
 * What is spoken with TLS 1.2: ephemeral keys and authenticated encryption only, Mozilla's list "intermediate" without finite-field Diffie-Hellman
 * (https://wiki.mozilla.org/Security/Server_Side_TLS, version 5.7). TLS 1.3 has nothing else anyway, and Deno's TLS knows no others.
 */
const ciphers = [
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
].join(":");

/** The options of `node:tls` and `node:https` for a listener. `demand`: its own config lets nobody in without a client certificate. */
export function tlsOptions(config: TlsConfig, files: TlsFiles, demand: boolean): TlsOptions {
  return {
    cert: files.cert,
    key: files.key,
    ...(files.ca && { ca: files.ca }),
    minVersion: config.minVersion,
    ciphers,
    honorCipherOrder: true,
    // A renegotiation costs us more than the client who asks for it (RFC 5246 §7.4.1.1, CVE-2011-1473); TLS 1.3 has none.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    handshakeTimeout: config.handshakeTimeout,
    requestCert: demand || asksForCertificate(config),
    rejectUnauthorized: demand || config.requireClientCert,
  };
}
