import { sealedMark } from "../sealed.ts";
import { fromBase64Url, maxRecipients, toBase64Url, type Jwe, type JweRecipient } from "./jwe.ts";

/*
 * A JWE as bytes: the mark, then `busbar.v1.Sealed` (core/proto/busbar/v1/sealed.proto). Written out by hand, as a browser has no protobuf: five fields of bytes.
 */

type Bytes = Uint8Array<ArrayBuffer>;

const utf8 = new TextEncoder();
const text = new TextDecoder("utf-8", { fatal: true });

/** The binary form of a JWE. */
export function encodeSealed({ protected: header, recipients, iv, ciphertext, tag }: Jwe): Bytes {
  const parts = [field(1, fromBase64Url(header))];
  for (const one of recipients) parts.push(field(2, join([field(1, utf8.encode(JSON.stringify(one.header))), field(2, fromBase64Url(one.encrypted_key))])));
  parts.push(field(3, fromBase64Url(iv)), field(4, fromBase64Url(ciphertext)), field(5, fromBase64Url(tag)));
  return join([sealedMark, ...parts]);
}

/** Reads it back. @throws {Error} when the bytes are not of that form. */
export function decodeSealed(bytes: Uint8Array): Jwe {
  const fields = readFields(bytes.subarray(sealedMark.length), 5);
  const recipients = (fields.get(2) ?? []).map((one): JweRecipient => {
    const inner = readFields(one, 2);
    return { header: JSON.parse(text.decode(only(inner, 1))) as JweRecipient["header"], encrypted_key: toBase64Url(only(inner, 2)) };
  });
  return { protected: toBase64Url(only(fields, 1)), recipients, iv: toBase64Url(only(fields, 3)), ciphertext: toBase64Url(only(fields, 4)), tag: toBase64Url(only(fields, 5)) };
}

/** A field of bytes (protobuf.dev/programming-guides/encoding). */
function field(number: number, content: Uint8Array): Uint8Array {
  return join([Uint8Array.of((number << 3) | 2, ...varint(content.length)), content]);
}

function varint(value: number): readonly number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(Math.floor(value / 128))];
}

function join(parts: readonly Uint8Array[]): Bytes {
  const joined = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** The contents of fields 1 to `highest`, all of which are bytes. */
function readFields(bytes: Uint8Array, highest: number): Map<number, Uint8Array[]> {
  const fields = new Map<number, Uint8Array[]>();
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes[at++]!;
    let length = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++];
      if (byte === undefined || scale > 2 ** 28) throw new SyntaxError(`Cannot decode a sealed payload: it is cut off at byte ${at}`);
      length += (byte & 127) * scale;
      if (byte < 128) break;
    }
    const number = tag >> 3;
    if ((tag & 7) !== 2 || number < 1 || number > highest || at + length > bytes.length) throw new SyntaxError(`Cannot decode a sealed payload: field ${number} at byte ${at}`);
    const list = fields.get(number);
    if (list === undefined) fields.set(number, [bytes.subarray(at, at + length)]);
    else if (list.push(bytes.subarray(at, at + length)) > maxRecipients) throw new SyntaxError(`Cannot decode a sealed payload: more than ${maxRecipients} recipients`);
    at += length;
  }
  return fields;
}

function only(fields: ReadonlyMap<number, readonly Uint8Array[]>, number: number): Uint8Array {
  const [content, ...more] = fields.get(number) ?? [];
  if (content === undefined || more.length > 0) throw new SyntaxError(`Cannot decode a sealed payload: field ${number} must be there once`);
  return content;
}
