/*
 * How an entry lies in a block of the journal and travels to and from the worker, little endian:
 *   0 u32 size of all of it · 4 f64 timestamp · 12 f64 received · 20 f64 expires, NaN = never
 *   28 u8 flags: qos (2 bits), 4 retain, 8 its payload clears the retained value, 16 it has a replace key, 32 fields of its payload are encrypted
 *   29 u8, u8, u16, u16 lengths of type, msgid, from, to · 35 those four · with flag 16 a u8 length and the replace key
 *   with flag 32, in the file only, a u8 length and the key's id, a u32 length and what is encrypted (entry-seal.ts) · then the payload as JSON text
 * The format is part of the schema: another one needs a migration. Flag 16 needs none, as no entry written before it has it; with flag 32 came version 3.
 */

/** Bytes before the texts. */
export const headerSize = 35;
/** Flag of a message that is to be kept as the last value of its topic. */
export const retainFlag = 4;
/** Flag of a message that, retained, removes the last value of its topic. */
export const clearFlag = 8;
/** Flag of a message that has a replace key. */
export const replaceFlag = 16;
/** Flag of a message with encrypted fields. */
export const sealedFlag = 32;

/** Bytes of the entry at `at`. */
export const entrySize = (bytes: Buffer, at: number): number => bytes.readUInt32LE(at);
/** When the message of the entry at `at` happened at its source. */
export const entryTime = (bytes: Buffer, at: number): number => bytes.readDoubleLE(at + 4);
/** When the message of the entry at `at` arrived. */
export const entryReceived = (bytes: Buffer, at: number): number => bytes.readDoubleLE(at + 12);
/** The flags of the entry at `at`. */
export const entryFlags = (bytes: Buffer, at: number): number => bytes[at + 28]!;

/** The type of the message of the entry at `at`. */
export function entryType(bytes: Buffer, at: number): string {
  return bytes.toString("latin1", at + headerSize, at + headerSize + bytes[at + 29]!);
}

/** Who sent the message of the entry at `at`. */
export function entryFrom(bytes: Buffer, at: number): string {
  const start = at + headerSize + bytes[at + 29]! + bytes[at + 30]!;
  return bytes.toString("latin1", start, start + bytes.readUInt16LE(at + 31));
}

/** The topic of the message of the entry at `at` (WIRE §1). */
export function entryTopic(bytes: Buffer, at: number): string {
  const type = at + headerSize;
  const from = type + bytes[at + 29]! + bytes[at + 30]!;
  const to = from + bytes.readUInt16LE(at + 31);
  const whom = bytes.toString("latin1", to, to + bytes.readUInt16LE(at + 33));
  return bytes.toString("latin1", type, type + bytes[at + 29]!) + "/" + (whom === "server" ? bytes.toString("latin1", from, to) : whom);
}

/** Where the payload of the entry at `at` begins; of one with encrypted fields, what is encrypted. */
export function entryBody(bytes: Buffer, at: number): number {
  const start = at + headerSize + bytes[at + 29]! + bytes[at + 30]! + bytes.readUInt16LE(at + 31) + bytes.readUInt16LE(at + 33);
  return (entryFlags(bytes, at) & replaceFlag) === 0 ? start : start + 1 + bytes[start]!;
}

/** The payload of the entry at `at`, which has no encrypted fields, parsed as plain JSON: bytes are an object with `$base64`. */
export function entryJson(bytes: Buffer, at: number): unknown {
  return JSON.parse(bytes.toString("utf8", entryBody(bytes, at), at + entrySize(bytes, at)));
}
