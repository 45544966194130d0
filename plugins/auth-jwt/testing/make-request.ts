import { webcrypto } from "node:crypto";
import { loadX509 } from "../x509.ts";

/** For tests only: how a signing request is to be made. */
export interface RequestOptions {
  /** RSA of so many bits instead of a key on P-256. */
  readonly rsa?: number;
  /** Asks for an authority's certificate, for use as a server, and for another name. */
  readonly greedy?: boolean;
  /** Puts the key of another pair into it, so that its signature is not that of its key. */
  readonly broken?: boolean;
}

/** A PKCS#10 request in PEM for a new key, and the key's PEM. */
export async function makeRequest(name: string, { rsa, greedy, broken }: RequestOptions = {}): Promise<{ readonly csr: string; readonly key: string }> {
  const x509 = await loadX509();
  const algorithm = rsa === undefined ? { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } : { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256", modulusLength: rsa, publicExponent: new Uint8Array([1, 0, 1]) };
  const pair = async (): Promise<webcrypto.CryptoKeyPair> => (await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"])) as webcrypto.CryptoKeyPair;
  const keys = await pair();
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: [{ CN: [name] }],
    keys: broken ? { privateKey: keys.privateKey, publicKey: (await pair()).publicKey } : keys,
    signingAlgorithm: algorithm,
    ...(greedy
      ? {
          extensions: [
            new x509.BasicConstraintsExtension(true, 3, true),
            new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
            new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
            new x509.SubjectAlternativeNameExtension([{ type: "dns", value: "server" }]),
          ],
        }
      : {}),
  });
  const der = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey));
  return { csr: request.toString("pem"), key: `-----BEGIN PRIVATE KEY-----\n${der.toString("base64")}\n-----END PRIVATE KEY-----\n` };
}
