import { reorder } from "./byte-order.ts";
import { numberFormats, type NumberType } from "./number-format.ts";
import { isBitTable } from "./pdu.ts";
import type { Point } from "./point.ts";

/** What a tag's value may be: whole numbers beyond 2^53 are decimal text (WIRE §1). */
export type TagValue = number | string | boolean | readonly (number | string | boolean | null)[];

/** One value as it was read. */
export interface Sample {
  /** null where the bytes say none. */
  readonly value: TagValue | null;
  readonly quality: "good" | "uncertain" | "bad";
  /** Why it is not good. */
  readonly code?: string;
}

/** Reads a point's value from the data of an answer; `cell` is its first cell, counted from that of the request. */
export type PointReader = (data: Uint8Array, cell: number) => Sample;

const good = (value: TagValue): Sample => ({ value, quality: "good" });
const on = good(true);
const off = good(false);
const ranks = { good: 0, uncertain: 1, bad: 2 } as const;

/** Makes what reads a point. */
export function createReader(point: Point): PointReader {
  if (point.count === 1) return createSingle(point);
  const cells = point.cells / point.count;
  const single = createSingle(point);
  return (data, cell) => {
    let worst: Sample = good(0);
    const values = Array.from({ length: point.count }, (_, at) => {
      const one = single(data, cell + at * cells);
      if (ranks[one.quality] > ranks[worst.quality]) worst = one;
      return one.value as number | string | boolean | null;
    });
    return { ...worst, value: values };
  };
}

function createSingle(point: Point): PointReader {
  if (isBitTable(point.table)) return (data, cell) => ((data[cell >> 3]! >> (cell & 7)) & 1 ? on : off);
  if (point.type === "bool") return readBit(point);
  return point.type === "string" ? readString(point) : readNumber(point, point.type);
}

/** Bit 0 is the lowest of the register, once its bytes are in order. */
function readBit({ bit = 0, order }: Point): PointReader {
  const swapped = order === "badc" || order === "dcba";
  const byte = bit < 8 !== swapped ? 1 : 0;
  return (data, cell) => ((data[2 * cell + byte]! >> (bit & 7)) & 1 ? on : off);
}

/** Up to the first NUL, without blanks at its end; bytes that are no UTF-8 are read as Latin-1, as devices that know no Unicode mean them. */
function readString({ length, cells, order }: Point): PointReader {
  const bytes = new Uint8Array(2 * cells);
  const utf8 = new TextDecoder("utf-8", { fatal: true });
  return (data, cell) => {
    for (let at = 0; at < cells; at++) reorder(data, { at: 2 * (cell + at), count: 1, order }, bytes.subarray(2 * at));
    const end = bytes.indexOf(0);
    const text = bytes.subarray(0, end < 0 || end > length ? length : end);
    try {
      return good(utf8.decode(text).trimEnd());
    } catch {
      return good(String.fromCharCode(...text).trimEnd());
    }
  };
}

function readNumber(point: Point, type: NumberType): PointReader {
  const { order, invalid, low, high } = point;
  const format = numberFormats[type];
  const bytes = new Uint8Array(2 * format.words);
  const view = new DataView(bytes.buffer);
  const toValue = scaling(point);
  const upper = (type === "int8" || type === "uint8") && point.byte === "high";
  return (data, cell) => {
    reorder(data, { at: 2 * cell, count: format.words, order }, bytes);
    if (upper) bytes[1] = bytes[0]!;
    const raw = format.read(view);
    if (raw === undefined) return { value: null, quality: "bad", code: "not BCD" };
    if (invalid.length > 0 && isInvalid(raw, bytes, invalid)) return { value: null, quality: "bad", code: "no value" };
    if (typeof raw === "number" && !Number.isFinite(raw)) return { value: null, quality: "bad", code: "not a number" };
    const value = toValue(raw);
    return Number(value) < low || Number(value) > high ? { value, quality: "uncertain", code: "out of range" } : good(value);
  };
}

/** Either the number is one of them, or its bytes are: 0x8000 is meant whether the type is uint16 or int16. */
function isInvalid(raw: number | bigint, bytes: Uint8Array, invalid: readonly bigint[]): boolean {
  let pattern = 0n;
  for (const byte of bytes) pattern = (pattern << 8n) | BigInt(byte);
  const number = typeof raw === "bigint" || Number.isInteger(raw) ? BigInt(raw) : undefined;
  return invalid.some((one) => one === pattern || one === number);
}

/** From a number in the device to a value: dividing by 10 gives 42.3 where multiplying by 0.1 gives 42.300000000000004. */
function scaling({ scale, offset, decimals }: Point): (raw: number | bigint) => number | string {
  const exact = (raw: number | bigint): number | string => (typeof raw === "number" ? raw : raw >= Number.MIN_SAFE_INTEGER && raw <= Number.MAX_SAFE_INTEGER ? Number(raw) : raw.toString());
  const rounded = (value: number): number => (decimals === undefined ? value : Number(value.toFixed(decimals)));
  if (scale === 1 && offset === 0) return decimals === undefined ? exact : (raw) => (typeof raw === "number" ? rounded(raw) : exact(raw));
  const divisor = Math.round(1 / scale);
  const divides = Math.abs(scale) < 1 && divisor * scale === 1;
  return (raw) => {
    const scaled = divides ? Number(raw) / divisor : Number(raw) * scale;
    return rounded(offset === 0 ? scaled : Number((scaled + offset).toPrecision(14)));
  };
}
