import { randomUUID, X509Certificate } from "node:crypto";
import { existsSync } from "node:fs";
import { link, mkdir, readFile, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { BusbarError } from "@busbar/core";
import { OPCUACertificateManager } from "node-opcua-certificate-manager";
import { crypto_utils, type OPCUAClientOptions } from "node-opcua-client";
import { certificateBytes } from "./certificate-text.ts";

/** Who we are towards servers: what node-opcua takes a certificate and its key from. */
export type OwnCertificate = NonNullable<OPCUAClientOptions["certificateKeyPairProvider"]> & {
  /** Where it lies: what an engineer makes known to a server. */
  readonly file: string;
  /** Who we say we are: the URI in it. */
  readonly applicationUri: string;
};

/** What a new certificate says. */
export interface OwnCertificateOptions {
  /** Such as `urn:plant-1:busbar`. Default: made of the host's name. */
  readonly applicationUri: string | undefined;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
}

/** Days for which a new certificate is valid. */
const validity = 3650;

/**
 * The application's certificate in a PKI folder, laid out as OPC UA tools do: `own/certs/busbar.pem` and `own/private/private_key.pem`. Made when it is not there yet: RSA 2048, self-signed,
 * valid for ten years. All instances that share the folder share it, also when they start at the same time.
 * @throws {BusbarError} IO when the folder cannot be used, CONFIG when what is in it is no certificate.
 */
export async function openOwnCertificate(folder: string, { applicationUri, now }: OwnCertificateOptions): Promise<OwnCertificate> {
  const file = join(folder, "own/certs/busbar.pem");
  const key = join(folder, "own/private/private_key.pem");
  try {
    if (!existsSync(file) || !existsSync(key)) await make(folder, { file, applicationUri: applicationUri ?? `urn:${hostname()}:busbar`, now });
    const certificate = certificateBytes(await readFile(file));
    if (certificate === undefined) throw new BusbarError("CONFIG", `Cannot use the own certificate in "${file}": it is neither PEM nor DER`);
    const privateKey = crypto_utils.makePrivateKeyFromPem(await readFile(key, "utf8"));
    const uri = /URI:([^,]+)/.exec(new X509Certificate(certificate).subjectAltName ?? "")?.[1];
    if (uri === undefined) throw new BusbarError("CONFIG", `Cannot use the own certificate in "${file}": it names no application URI`);
    return { file, applicationUri: uri, getCertificate: () => certificate, getCertificateChain: () => [certificate], getPrivateKey: () => privateKey };
  } catch (cause) {
    if (cause instanceof BusbarError) throw cause;
    throw new BusbarError("IO", `Cannot use the folder of certificates "${folder}"`, { cause });
  }
}

async function make(folder: string, { file, applicationUri, now }: { readonly file: string; readonly applicationUri: string; readonly now: number }): Promise<void> {
  await mkdir(folder, { recursive: true });
  const manager = new OPCUACertificateManager({ rootFolder: folder, automaticallyAcceptUnknownCertificate: false, disableFileWatchers: true });
  const draft = join(folder, `own/certs/${randomUUID()}.pem`);
  try {
    await manager.initialize(); // makes the key, under a lock of its own
    await manager.createSelfSignedCertificate({ applicationUri, subject: `/CN=Busbar ${hostname()}/O=Busbar`, dns: [hostname()], startDate: new Date(now), validity, outputFile: draft });
    await link(draft, file).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error; // another instance was faster: its certificate is of the same key
    });
  } finally {
    await rm(draft, { force: true });
    await manager.dispose();
  }
}
