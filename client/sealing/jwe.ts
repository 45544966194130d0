/** How content is encrypted, and how its key gets to each reader (RFC 7518 §4.6, §5.3). There is no other: what names another is refused before anything is computed. */
export const contentEncryption = "A256GCM";
/** See `contentEncryption`. */
export const keyManagement = "ECDH-ES+A256KW";
/** Recipients of one payload at the most. */
export const maxRecipients = 100;

/** One reader of a JWE: its header and the content key, encrypted for it. */
export interface JweRecipient {
  readonly header: Readonly<Record<string, unknown>>;
  readonly encrypted_key: string;
}

/** A JWE in General JSON Serialization (RFC 7516 §7.2.1), as far as it is used here. */
export interface Jwe {
  readonly protected: string;
  readonly recipients: readonly JweRecipient[];
  /** base64url of the binding; absent in the binary form, as every reader knows it. */
  readonly aad?: string;
  readonly iv: string;
  readonly ciphertext: string;
  readonly tag: string;
}

/** Bytes as base64url without padding. */
export function toBase64Url(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192)); // more arguments than the stack holds otherwise
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** The bytes of base64url text. @throws {Error} when it is none. */
export function fromBase64Url(text: string): Uint8Array<ArrayBuffer> {
  if (!/^[\w-]*$/.test(text)) throw new SyntaxError("Cannot decode base64url: another character");
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
}
