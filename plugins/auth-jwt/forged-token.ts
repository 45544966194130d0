import { createHmac, sign, type KeyObject } from "node:crypto";

/*
 * For tests only: tokens written by hand, so that attacks can say what no JWT library would sign, and so that the oracle is not the library under test.
 */

/** How the signature of a forged token is made from its first two parts; the result is what is base64url-encoded. */
export type Signer = (input: string) => Uint8Array;

/** HMAC-SHA-256, whatever `secret` really is. */
export const hmac = (secret: Uint8Array | string): Signer => (input) => createHmac("sha256", secret).update(input).digest();

/** RSASSA-PKCS1-v1_5 with SHA-256, or ECDSA with SHA-256 and the signature as r ‖ s (RFC 7518 §3.3, §3.4), by the kind of the key. */
export const signed = (key: KeyObject): Signer => (input) => sign("sha256", Buffer.from(input), { key, dsaEncoding: "ieee-p1363" });

/** Ed25519 (RFC 8037 §3.1). */
export const edSigned = (key: KeyObject): Signer => (input) => sign(null, Buffer.from(input), key);

/** No signature at all. */
export const unsigned: Signer = () => new Uint8Array(0);

/** Joins header, payload and signature. Text is taken as it is, anything else as JSON. */
export function forgeToken(header: unknown, payload: unknown, signer: Signer): string {
  const encode = (part: unknown): string => Buffer.from(typeof part === "string" ? part : JSON.stringify(part)).toString("base64url");
  const input = `${encode(header)}.${encode(payload)}`;
  return `${input}.${Buffer.from(signer(input)).toString("base64url")}`;
}
