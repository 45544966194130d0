import * as v from "valibot";
import { duration } from "../schema.ts";

const filePath = v.pipe(v.string(), v.minLength(1), v.maxLength(4096));
const field = <S extends v.GenericSchema>(schema: S, fallback: v.InferInput<S>, text: string) => v.pipe(v.optional(schema, fallback as never), v.description(text));
const option = <S extends v.GenericSchema>(schema: S, text: string) => v.pipe(v.optional(schema), v.description(text));

const section = v.pipe(
  v.strictObject({
    certFile: v.pipe(filePath, v.description("Path of the certificate and those that lead to its authority, PEM.")),
    keyFile: v.pipe(filePath, v.description("Path of the private key, PEM.")),
    caFile: option(filePath, "Path of the authorities whose client certificates are believed, PEM. Default: no client certificate is."),
    requestClientCert: option(v.boolean(), "Ask clients for a certificate; who shows none may still come with a token. Default: true where caFile is set."),
    requireClientCert: field(v.boolean(), false, "Let nobody in without a certificate of an authority of caFile. Default false."),
    minVersion: field(v.picklist(["TLSv1.2", "TLSv1.3"]), "TLSv1.2", "Oldest version of TLS that is spoken: TLSv1.2 or TLSv1.3. Default TLSv1.2."),
    handshakeTimeout: field(duration(100, 120_000), "10s", "How long a handshake may take. Default 10s, 100ms to 2m."),
    watchInterval: field(duration(0, 3_600_000), "5s", "How often the files are looked at for a new certificate, up to 1h; 0 = only when the gateway reloads. Default 5s."),
  }),
  v.forward(v.check(({ caFile, requestClientCert, requireClientCert }) => caFile !== undefined || !(requestClientCert || requireClientCert), "must name the authorities whose client certificates are believed"), ["caFile"]),
  v.forward(v.check(({ requestClientCert, requireClientCert }) => !(requireClientCert && requestClientCert === false), "cannot be false with requireClientCert: true"), ["requestClientCert"]),
);

/** The `tls` section of a listener's config, for every protocol the same. Where it is absent the listener speaks without TLS. */
export function tlsField() {
  return option(section, "Listen with TLS 1.2 or 1.3. Default: without.");
}

/** A `tls` section with all defaults filled in; times in ms. */
export type TlsConfig = v.InferOutput<typeof section>;

/** Whether clients are asked for a certificate. */
export function asksForCertificate({ caFile, requestClientCert, requireClientCert }: TlsConfig): boolean {
  return requireClientCert || (requestClientCert ?? caFile !== undefined);
}
