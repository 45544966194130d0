import type { Envelope } from "../../envelope.ts";

/** What a message is signed with besides its own fields. */
export interface SigningFields {
  readonly nonce: string;
  /** Milliseconds since the Unix epoch: when it was signed, where that is not its `timestamp`. */
  readonly signedAt?: number | undefined;
}

/**
 * The text whose HMAC is the `mac` of a message (WIRE §6, docs/wire.md "Signed messages"): RFC 8785 of all its fields but `mac`, with the defaults filled in, whatever encoding it came in.
 * `payload`: the payload in canonical form. Ids and types need no escapes.
 */
export function canonicalEnvelope({ msgid, timestamp, from, to, type, qos, retain, expires, replace }: Omit<Envelope, "payload" | "topic" | "received">, { nonce, signedAt, payload }: SigningFields & { readonly payload: string }): string {
  return (
    (expires === undefined ? "{" : `{"expires":${expires},`) +
    `"from":"${from}","msgid":${JSON.stringify(msgid)},"nonce":${JSON.stringify(nonce)},"payload":${payload},"qos":${qos},` +
    (replace === undefined ? "" : `"replace":${JSON.stringify(replace)},`) +
    `"retain":${retain},` +
    (signedAt === undefined ? "" : `"signedAt":${signedAt},`) +
    `"timestamp":${timestamp},"to":"${to}","type":"${type}","ver":"1.0"}`
  );
}
