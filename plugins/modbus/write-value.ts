import { reorder } from "./byte-order.ts";
import { CommandError, type CommandErrorCode } from "./command-error.ts";
import { numberFormats, type NumberType } from "./number-format.ts";
import { isBitTable } from "./pdu.ts";
import type { Point } from "./point.ts";

/** What a value is in a device's cells. */
export interface CellValues {
  /** A bit (0, 1) or a register (0-65535) each, as many as the point takes. */
  readonly cells: readonly number[];
  /** Which bits of the one register are meant; absent: all. */
  readonly mask?: number;
}

/**
 * What is to be written for a point to have a value.
 * @throws {CommandError} WRONG_TYPE, OUT_OF_RANGE.
 */
export function encodeValue(point: Point, value: unknown): CellValues {
  if (point.count === 1) return encodeOne(point, value);
  if (!Array.isArray(value) || value.length !== point.count) throw refuse(point, "WRONG_TYPE", `it takes an array of ${point.count} values`);
  return { cells: value.flatMap((one) => encodeOne(point, one).cells) };
}

function encodeOne(point: Point, value: unknown): CellValues {
  if (point.type === "bool") return encodeBool(point, value);
  return point.type === "string" ? encodeString(point, value) : encodeNumber(point, point.type, value);
}

function encodeBool(point: Point, value: unknown): CellValues {
  if (typeof value !== "boolean") throw refuse(point, "WRONG_TYPE", "it takes true or false");
  if (isBitTable(point.table)) return { cells: [value ? 1 : 0] };
  const [mask] = toWords(point, Uint8Array.of((1 << point.bit!) >> 8, (1 << point.bit!) & 0xff));
  return { cells: [value ? mask! : 0], mask: mask! };
}

/** What is left of its bytes is filled with NUL. */
function encodeString(point: Point, value: unknown): CellValues {
  if (typeof value !== "string") throw refuse(point, "WRONG_TYPE", "it takes text");
  const text = new TextEncoder().encode(value);
  if (text.length > point.length) throw refuse(point, "OUT_OF_RANGE", `it takes ${point.length} bytes, the text has ${text.length}`);
  if (text.includes(0)) throw refuse(point, "OUT_OF_RANGE", "text with NUL cannot be read back");
  const bytes = new Uint8Array(2 * point.cells);
  bytes.set(text);
  return { cells: Array.from({ length: point.cells }, (_, at) => toWords(point, bytes.subarray(2 * at, 2 * at + 2))[0]!) };
}

function encodeNumber(point: Point, type: NumberType, value: unknown): CellValues {
  const format = numberFormats[type];
  const raw = toRaw(point, { value, whole: format.whole });
  if (raw < format.low || raw > format.high) throw refuse(point, "OUT_OF_RANGE", `${type} in the device goes from ${format.low} to ${format.high}, ${String(value)} is ${raw}`);
  const view = new DataView(new ArrayBuffer(2 * format.words));
  format.write(view, raw);
  const bytes = new Uint8Array(view.buffer);
  if (type !== "int8" && type !== "uint8") return { cells: toWords(point, bytes) };
  const high = point.byte === "high";
  const [word] = toWords(point, high ? Uint8Array.of(bytes[1]!, 0) : bytes);
  const [mask] = toWords(point, high ? Uint8Array.of(0xff, 0) : Uint8Array.of(0, 0xff));
  return { cells: [word! & mask!], mask: mask! };
}

/** The number in the device for a value: the way back of scale and offset. */
function toRaw(point: Point, { value, whole }: { readonly value: unknown; readonly whole: boolean }): number | bigint {
  const { scale, offset, low, high } = point;
  if (typeof value === "string" && whole && /^-?\d{1,20}$/.test(value) && scale === 1 && offset === 0) return checkLimits(point, BigInt(value));
  if (typeof value !== "number" || !Number.isFinite(value)) throw refuse(point, "WRONG_TYPE", "it takes a number");
  if (value < low || value > high) throw refuse(point, "OUT_OF_RANGE", limitsText(point, value));
  const raw = (value - offset) / scale;
  if (!whole) return raw;
  const rounded = Math.round(raw);
  if (scale === 1 && offset === 0 && rounded !== value) throw refuse(point, "WRONG_TYPE", `it takes whole numbers, ${value} is none`);
  if (!Number.isSafeInteger(rounded)) throw refuse(point, "OUT_OF_RANGE", `${value} cannot be said exactly as a number; write it as text`);
  return rounded === 0 ? 0 : rounded; // -0 would print as "-0" in BCD
}

function checkLimits(point: Point, value: bigint): bigint {
  if (value < point.low || value > point.high) throw refuse(point, "OUT_OF_RANGE", limitsText(point, value));
  return value;
}

const limitsText = ({ low, high }: Point, value: number | bigint): string => `${value} is outside of ${low} to ${high}`;

/** The registers for a number whose highest byte comes first. */
function toWords({ order }: Point, bytes: Uint8Array): readonly number[] {
  const wire = new Uint8Array(bytes.length);
  reorder(bytes, { at: 0, count: bytes.length / 2, order }, wire);
  return Array.from({ length: wire.length / 2 }, (_, at) => (wire[2 * at]! << 8) | wire[2 * at + 1]!);
}

function refuse({ tag }: Point, code: CommandErrorCode, why: string): CommandError {
  return new CommandError(code, `Cannot set ${JSON.stringify(tag)}: ${why}`);
}
