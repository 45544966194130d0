import { byteOrders, reorder, type ByteOrder } from "../byte-order.ts";
import { numberFormats, type NumberType } from "../number-format.ts";

/** A register in every way that one register can be read. */
export interface RegisterDecodes {
  /** Four digits. */
  readonly hex: string;
  readonly uint16: number;
  readonly int16: number;
  /** Bits 15 to 0. */
  readonly bits: string;
  /** Absent where a digit is above 9. */
  readonly bcd16?: number;
  /** Its two bytes as text, `.` for what is none. */
  readonly text: string;
}

/** A number of several registers in each of the four orders. Whole numbers beyond 2^53 are decimal text; null is no number. */
export type OrderDecodes = Readonly<Record<ByteOrder, number | string | null>>;

/** A pair of registers, or four of them, in every way that they can be read. */
export interface WideDecodes {
  readonly types: Readonly<Partial<Record<NumberType, OrderDecodes>>>;
  /** What a person would guess, the likeliest first. */
  readonly likely: readonly { readonly type: NumberType; readonly order: ByteOrder }[];
}

const pairTypes = ["float32", "int32", "uint32", "bcd32"] as const satisfies readonly NumberType[];
const quadTypes = ["float64", "int64", "uint64"] as const satisfies readonly NumberType[];

/** Reads one register. */
export function decodeRegister(word: number): RegisterDecodes {
  const bcd = decodeAs("bcd16", { words: [word], order: "abcd" });
  return {
    hex: word.toString(16).padStart(4, "0"),
    uint16: word,
    int16: (word << 16) >> 16,
    bits: word.toString(2).padStart(16, "0"),
    ...(typeof bcd === "number" ? { bcd16: bcd } : {}),
    text: [word >> 8, word & 0xff].map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".")).join(""),
  };
}

/** Reads two or four registers that follow each other. @throws {RangeError} for another number of them. */
export function decodeWide(words: readonly number[]): WideDecodes {
  if (words.length !== 2 && words.length !== 4) throw new RangeError(`Cannot decode ${words.length} registers: 2 or 4 make a number`);
  const types: readonly NumberType[] = words.length === 2 ? pairTypes : quadTypes;
  const decoded = Object.fromEntries(types.map((type) => [type, Object.fromEntries(byteOrders.map((order) => [order, decodeAs(type, { words, order })])) as OrderDecodes]));
  return { types: decoded, likely: guess(decoded) };
}

function decodeAs(type: NumberType, { words, order }: { readonly words: readonly number[]; readonly order: ByteOrder }): number | string | null {
  const wire = Uint8Array.from(words.flatMap((word) => [word >> 8, word & 0xff]));
  const bytes = new Uint8Array(wire.length);
  reorder(wire, { at: 0, count: words.length, order }, bytes);
  const number = numberFormats[type].read(new DataView(bytes.buffer));
  if (number === undefined || (typeof number === "number" && !Number.isFinite(number))) return null;
  return typeof number === "number" ? number : Number.isSafeInteger(Number(number)) ? Number(number) : number.toString();
}

/**
 * A float that somebody meant has a size that things in the world have, and few digits: random bytes rarely do. A whole number that fits one register is no pair, but for zeros above it.
 */
function guess(types: Readonly<Record<string, OrderDecodes>>): WideDecodes["likely"] {
  const scored: { type: NumberType; order: ByteOrder; score: number }[] = [];
  for (const [name, orders] of Object.entries(types)) {
    const type = name as NumberType;
    for (const order of byteOrders) {
      const score = type.startsWith("float") ? floatScore(orders[order]) : type.startsWith("int") ? integerScore(orders[order]) : 0;
      if (score > 0) scored.push({ type, order, score: score - byteOrders.indexOf(order) / 100 });
    }
  }
  return scored.sort((a, b) => b.score - a.score).slice(0, 3).map(({ type, order }) => ({ type, order }));
}

function floatScore(value: number | string | null): number {
  if (typeof value !== "number" || value === 0 || Math.abs(value) < 1e-4 || Math.abs(value) > 1e7) return 0;
  const digits = value.toPrecision(9).replace(/[-.]|e.*$/g, "").replace(/^0+|0+$/g, "").length;
  return 5 - digits / 2 + (Math.abs(value) >= 0.01 && Math.abs(value) < 1e6 ? 1 : 0);
}

function integerScore(value: number | string | null): number {
  return typeof value === "number" && value !== 0 && Math.abs(value) < 1e6 ? 2 : 0;
}
