import { randomBytes } from "node:crypto";

/** What a client offers in its first TLS message. */
export interface ClientHello {
  /** Such as 0x0303 for TLS 1.2. TLS 1.3 is not offered. */
  readonly version: number;
  /** Numbers of the IANA registry of cipher suites. */
  readonly ciphers: readonly number[];
}

/** A ClientHello in its record, as no library would send it any more (RFC 5246 §7.4.1.2). */
export function clientHello({ version, ciphers }: ClientHello): Buffer {
  const extensions = Buffer.concat([
    extension(10, list16([29, 23, 24])), // groups: x25519, P-256, P-384
    extension(11, Buffer.of(1, 0)), // points as they are
    extension(13, list16([0x0403, 0x0503, 0x0804, 0x0805, 0x0401, 0x0501])), // signatures: ECDSA and RSA with SHA-2
    extension(23, Buffer.alloc(0)), // extended master secret (RFC 7627)
    extension(0xff01, Buffer.of(0)), // renegotiation info (RFC 5746)
  ]);
  const body = Buffer.concat([number16(version), randomBytes(32), Buffer.of(0), list16(ciphers), Buffer.of(1, 0), number16(extensions.length), extensions]);
  const handshake = Buffer.concat([Buffer.of(1, 0), number16(body.length), body]);
  return Buffer.concat([Buffer.of(22), number16(Math.min(version, 0x0301)), number16(handshake.length), handshake]);
}

const number16 = (value: number): Buffer => Buffer.of(value >> 8, value & 0xff);
const list16 = (values: readonly number[]): Buffer => Buffer.concat([number16(2 * values.length), ...values.map(number16)]);
const extension = (type: number, content: Uint8Array): Buffer => Buffer.concat([number16(type), number16(content.length), content]);
