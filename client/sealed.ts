import type { Envelope } from "./envelope.ts";

/**
 * A key as JWK (RFC 7517) to seal and open with: X25519 (`kty` OKP, RFC 8037) or P-256 (`kty` EC). `d` is the private part: who seals needs only the rest. `kid` names it; default: its thumbprint
 * (RFC 7638).
 */
export interface SealingKey {
  readonly kty: string;
  readonly crv?: string;
  readonly x?: string;
  readonly y?: string;
  readonly d?: string;
  readonly kid?: string;
}

/** For whom a payload is sealed. */
export interface SealOptions {
  /** Public keys of those who may read it, 1 to 100. */
  readonly recipients: readonly SealingKey[];
  /** `json`: `{"$sealed": …}`, which any JSON reader passes on. `binary`: bytes, without base64. Default: `binary` for a payload of bytes, else `json`. */
  readonly form?: "json" | "binary";
}

/** With what sealed payloads are opened. */
export interface OpenOptions {
  /** Private keys. Several, while one takes the place of another. */
  readonly keys: readonly SealingKey[];
}

/** The fields of an envelope that a sealed payload is bound to: it opens in no other message. */
export type Binding = Pick<Envelope, "from" | "to" | "type" | "msgid" | "timestamp">;

/** With what a sealed payload of bytes begins: NUL, "sealed", 1 (docs/wire.md, "Sealed payloads"). */
export const sealedMark: Uint8Array = Uint8Array.of(0x00, 0x73, 0x65, 0x61, 0x6c, 0x65, 0x64, 0x01);

/** Whether a payload is a sealed one. */
export function isSealed(payload: unknown): boolean {
  if (payload instanceof Uint8Array) return payload.length > sealedMark.length && sealedMark.every((byte, at) => payload[at] === byte);
  return typeof payload === "object" && payload !== null && "$sealed" in payload && Object.keys(payload).length === 1;
}
