import { BinaryReader, type BinaryWriter } from "@bufbuild/protobuf/wire";
import { shortestFloat32 } from "./float-text.ts";
import { InternedStrings, longestInterned } from "./interned-strings.ts";

/*
 * What compiled decoders and encoders call. Failures are plain Errors here; `compileMessage` says what they mean where it catches them.
 */

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const interned = new InternedStrings();

/** A tag of two bytes or more. */
export function readTag(reader: BinaryReader, bytes: Uint8Array): number {
  const start = reader.pos;
  const tag = reader.uint32();
  if (reader.pos - start > 5 || (reader.pos - start === 5 && bytes[reader.pos - 1]! > 0x0f)) throw new Error("a tag of more than 32 bits");
  return tag;
}

/** Reads the length of something that must end within the message. Returns where it ends. */
export function enter(reader: BinaryReader, end: number): number {
  const length = reader.uint32();
  if (length > end - reader.pos) throw new Error(`cut off: ${length} bytes are announced and ${end - reader.pos} are there,`);
  return reader.pos + length;
}

/** A field reached beyond the end of the message it is in. */
export function overrun(): never {
  throw new Error("cut off: a field ends after its message,");
}

/** Jumps over a field nobody knows. Groups inside it may nest `depth` deep. */
export function skip(reader: BinaryReader, tag: number, depth: number): void {
  const number = tag >>> 3;
  const wireType = tag & 7;
  if (number === 0 || wireType > 5) throw new Error(`a tag of field ${number}, wire type ${wireType},`);
  const start = reader.pos;
  reader.skip(wireType, number, depth);
  if (wireType === 0 && reader.pos - start > 10) throw new Error("a varint of more than 10 bytes");
}

/** Text up to `end`, checked to be UTF-8; short strings are interned. */
export function readText(reader: BinaryReader, bytes: Uint8Array, end: number): string {
  const stop = enter(reader, end);
  const start = reader.pos;
  const text = stop - start <= longestInterned ? interned.read(bytes, start, stop - start) : utf8.decode(bytes.subarray(start, stop));
  reader.pos = stop; // only now, so that an error names where the string begins
  return text;
}

/** Bytes of their own: the chunk they came in is not kept alive by them. */
export function readBytes(reader: BinaryReader, bytes: Uint8Array, end: number): Uint8Array {
  const stop = enter(reader, end);
  const start = reader.pos;
  reader.pos = stop;
  return new Uint8Array(bytes.subarray(start, stop));
}

/** A 64-bit integer as a number where that is exact, else as decimal text (WIRE §1). */
export function fromBigInt(value: bigint | string): number | string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : String(value);
}

/** int64 and uint64 agree as long as the varint has at most 7 bytes (49 bits); beyond that `read` decides. */
function readSmallVarint(reader: BinaryReader, bytes: Uint8Array): number {
  const start = reader.pos;
  let low = 0;
  let at = start;
  for (let shift = 0; shift < 28; shift += 7) {
    const byte = bytes[at++]!;
    low |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      reader.pos = at;
      return low;
    }
  }
  let high = 0;
  for (let shift = 0; shift < 21; shift += 7) {
    const byte = bytes[at++]!;
    high |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      reader.pos = at;
      return high * 0x10000000 + low;
    }
  }
  return -1;
}

/** int64 as a varint. */
export function readInt64(reader: BinaryReader, bytes: Uint8Array): number | string {
  const small = readSmallVarint(reader, bytes);
  return small >= 0 ? small : fromBigInt(reader.int64());
}

/** uint64 as a varint. */
export function readUint64(reader: BinaryReader, bytes: Uint8Array): number | string {
  const small = readSmallVarint(reader, bytes);
  return small >= 0 ? small : fromBigInt(reader.uint64());
}

/** sint64: a varint in zigzag. */
export function readSint64(reader: BinaryReader): number | string {
  return fromBigInt(reader.sint64());
}

/** fixed64: 8 bytes, unsigned. */
export function readFixed64(reader: BinaryReader): number | string {
  return fromBigInt(reader.fixed64());
}

/** sfixed64: 8 bytes, signed. */
export function readSfixed64(reader: BinaryReader): number | string {
  return fromBigInt(reader.sfixed64());
}

/** JSON has no NaN and no infinities: they become null. */
export function jsonDouble(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

/** The same for a float32, with as few digits as tell it apart. */
export function jsonFloat(value: number): number | null {
  return Number.isFinite(value) ? shortestFloat32(value) : null;
}

/** Bytes as WIRE §1 says them in JSON. */
export function jsonBytes(value: Uint8Array): { $base64: string } {
  return { $base64: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64") };
}

/** An enum value of a closed enum, or undefined for a number it does not have. */
export function known(value: number, names: Readonly<Record<number, string>>): number | undefined {
  return Object.hasOwn(names, value) ? value : undefined;
}

/** The name of an enum value; the number where it has none. */
export function enumName(value: number, names: Readonly<Record<number, string>>): string | number {
  return Object.hasOwn(names, value) ? names[value]! : value;
}

const refuse = (field: string, value: unknown, wanted: string): never => {
  throw new Error(`field "${field}" is ${value === null ? "null" : typeof value}, not ${wanted}`);
};

/** A string field's value. @throws {Error} when it is something else. */
export function checkText(value: unknown, field: string): string {
  return typeof value === "string" ? value : refuse(field, value, "text");
}

/** A bool field's value. @throws {Error} when it is something else. */
export function checkBoolean(value: unknown, field: string): boolean {
  return typeof value === "boolean" ? value : refuse(field, value, "true or false");
}

/** The value of a 32-bit or floating point field; the writer checks its range. @throws {Error} when it is something else. */
export function checkNumber(value: unknown, field: string): number {
  return typeof value === "number" ? value : refuse(field, value, "a number");
}

/** 64-bit integers: a number, a bigint or decimal text. */
export function checkLong(value: unknown, field: string): bigint {
  if (typeof value === "bigint") return value;
  if (typeof value === "number" && Number.isSafeInteger(value)) return BigInt(value);
  return typeof value === "string" && /^-?\d{1,20}$/.test(value) ? BigInt(value) : refuse(field, value, "an integer or decimal text");
}

/** A bytes field's value, plain or as WIRE §1 says it in JSON. @throws {Error} when it is something else. */
export function checkBytes(value: unknown, field: string): Uint8Array {
  if (value instanceof Uint8Array) return value;
  const text = typeof value === "object" && value !== null && "$base64" in value ? value.$base64 : undefined;
  return typeof text === "string" ? Buffer.from(text, "base64") : refuse(field, value, 'bytes or {"$base64":"…"}');
}

/** The number of an enum field's value, given as number or name. @throws {Error} when it is something else. */
export function checkEnum(value: unknown, field: string, numbers: ReadonlyMap<string, number>): number {
  if (typeof value === "number") return value;
  return (typeof value === "string" ? numbers.get(value) : undefined) ?? refuse(field, value, `a value of its enum`);
}

/** A repeated field's value. @throws {Error} when it is something else. */
export function checkList(value: unknown, field: string): readonly unknown[] {
  return Array.isArray(value) ? value : refuse(field, value, "a list");
}

/** A message's or map's value. @throws {Error} when it is something else. */
export function checkObject(value: unknown, field: string): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array) ? (value as Record<string, unknown>) : refuse(field, value, "an object");
}

/** Whether a oneof's member is set. */
export function present(value: unknown): boolean {
  return value !== undefined && value !== null;
}

/** Two members of a oneof are set. */
export function manyOf(oneof: string): never {
  throw new Error(`more than one field of oneof "${oneof}" is set`);
}

/** A required field of proto2 is absent. */
export function missing(field: string): never {
  throw new Error(`the required field "${field}" is absent`);
}

/** Values nest deeper than a reader would follow: a cycle, as a rule. */
export function tooDeep(): never {
  throw new Error("messages nested too deep,");
}

/** Refuses names that the message does not have. */
export function checkNames(value: Record<string, unknown>, fields: ReadonlySet<string>): void {
  for (const name in value) if (!fields.has(name)) throw new Error(`it has no field "${name}"`);
}

export type { BinaryReader, BinaryWriter };
