import { calculateJwkThumbprint, GeneralEncrypt, type JWK } from "jose";
import { bindingBytes } from "./binding.ts";
import type { Binding, SealingKey, SealOptions } from "../sealed.ts";
import { contentEncryption, keyManagement, maxRecipients, type Jwe } from "./jwe.ts";
import { encodeSealed } from "./sealed-bytes.ts";

/**
 * Seals a payload for its readers: `{"$sealed": JWE}`, or bytes (docs/wire.md, "Sealed payloads"). `payload`: any JSON value, or a Uint8Array.
 * @throws {TypeError} for a key that is none, or a private one; {RangeError} when there are none or too many.
 */
export async function sealPayload(payload: unknown, { binding, recipients, form = payload instanceof Uint8Array ? "binary" : "json" }: SealOptions & { readonly binding: Binding }): Promise<Uint8Array | { readonly $sealed: Jwe }> {
  if (recipients.length < 1 || recipients.length > maxRecipients) throw new RangeError(`Cannot seal a payload for ${recipients.length} readers: 1 to ${maxRecipients} are possible`);
  const bytes = payload instanceof Uint8Array;
  const jwe = new GeneralEncrypt(bytes ? payload : new TextEncoder().encode(JSON.stringify(payload)));
  jwe.setProtectedHeader({ enc: contentEncryption, cty: bytes ? "octet-stream" : "json" }).setAdditionalAuthenticatedData(bindingBytes(binding));
  for (const key of recipients) {
    checkKey(key);
    if (key.d !== undefined) throw new TypeError("Cannot seal with a private key: keep that to yourself, and seal with the public one");
    jwe.addRecipient(key as JWK).setUnprotectedHeader({ alg: keyManagement, kid: await kidOf(key) });
  }
  const { unprotected: _, ...sealed } = await jwe.encrypt();
  return form === "binary" ? encodeSealed(sealed as Jwe) : { $sealed: sealed as Jwe };
}

/** The name of a key: its `kid`, else its thumbprint (RFC 7638), which is the same for the private and the public key. */
export async function kidOf(key: SealingKey): Promise<string> {
  return key.kid ?? (await calculateJwkThumbprint(key as JWK));
}

/** @throws {TypeError} for a key of another kind than X25519 or P-256. */
export function checkKey({ kty, crv }: SealingKey): void {
  if (!(kty === "OKP" && crv === "X25519") && !(kty === "EC" && crv === "P-256")) throw new TypeError(`Cannot seal with a key of kind ${JSON.stringify(kty)} on ${JSON.stringify(crv)}: it must be X25519 or P-256`);
}
