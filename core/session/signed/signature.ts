import { BusbarError } from "../../errors.ts";
import type { SignatureFields } from "../../envelope.ts";

/** Bytes of an HMAC-SHA-256 (RFC 4868 §2.1.1, untruncated). */
const macBytes = 32;
/** Bytes of a nonce at the most. */
const maxNonce = 64;

/** The signature that a message brings along, in the form that it must have; nothing is verified yet. */
export interface Signature {
  readonly mac: Uint8Array;
  readonly nonce: string;
  /** Milliseconds since the Unix epoch. */
  readonly signedAt: number | undefined;
}

/**
 * Reads the signature of a message as it came.
 * @throws {BusbarError} BAD_FRAME when a part of it is missing or malformed.
 */
export function readSignature({ mac, nonce, signedAt }: SignatureFields): Signature {
  if (typeof nonce !== "string" || nonce === "" || nonce.length > maxNonce || !nonce.isWellFormed() || Buffer.byteLength(nonce) > maxNonce) throw malformed("nonce", "a string of 1 to 64 bytes");
  if (signedAt !== undefined && !(Number.isSafeInteger(signedAt) && (signedAt as number) > 0)) throw malformed("signedAt", "milliseconds since the Unix epoch");
  return { mac: readMac(mac), nonce, signedAt: signedAt as number | undefined };
}

function readMac(mac: unknown): Uint8Array {
  const bytes = typeof mac === "string" ? Buffer.from(mac, "base64url") : mac;
  const exact = typeof mac !== "string" || (bytes as Buffer).toString("base64url") === mac; // a decoder that is not strict takes many texts for the same bytes
  if (!(bytes instanceof Uint8Array) || bytes.length !== macBytes || !exact) throw malformed("mac", `${macBytes} bytes, in JSON as base64url without padding`);
  return bytes;
}

function malformed(field: string, wanted: string): BusbarError {
  return new BusbarError("BAD_FRAME", `Cannot use the field "${field}": it must be ${wanted}`);
}
