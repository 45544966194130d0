/** The types of numbers. `int8` and `uint8` are half of a register. */
export const numberTypes = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64", "bcd16", "bcd32", "bcd64"] as const;

/** One of them. */
export type NumberType = (typeof numberTypes)[number];

/** How a number lies in its registers, with the highest byte first. */
export interface NumberFormat {
  /** Registers. */
  readonly words: 1 | 2 | 4;
  /** Whether it has no fraction. */
  readonly whole: boolean;
  /** The least and the greatest number that it can say. */
  readonly low: number | bigint;
  readonly high: number | bigint;
  /** The number; undefined for bytes that are none, such as a BCD digit above 9. */
  readonly read: (view: DataView) => number | bigint | undefined;
  /** Writes a number that it can say. */
  readonly write: (view: DataView, value: number | bigint) => void;
}

/** The format of each type. `int8` and `uint8` stand in the low byte here; whose byte it is, is the point's. */
export const numberFormats: Readonly<Record<NumberType, NumberFormat>> = {
  int8: { words: 1, whole: true, low: -128, high: 127, read: (view) => view.getInt8(1), write: (view, value) => view.setUint16(0, Number(value) & 0xff) },
  uint8: { words: 1, whole: true, low: 0, high: 255, read: (view) => view.getUint8(1), write: (view, value) => view.setUint16(0, Number(value)) },
  int16: { words: 1, whole: true, low: -32_768, high: 32_767, read: (view) => view.getInt16(0), write: (view, value) => view.setInt16(0, Number(value)) },
  uint16: { words: 1, whole: true, low: 0, high: 65_535, read: (view) => view.getUint16(0), write: (view, value) => view.setUint16(0, Number(value)) },
  int32: { words: 2, whole: true, low: -(2 ** 31), high: 2 ** 31 - 1, read: (view) => view.getInt32(0), write: (view, value) => view.setInt32(0, Number(value)) },
  uint32: { words: 2, whole: true, low: 0, high: 2 ** 32 - 1, read: (view) => view.getUint32(0), write: (view, value) => view.setUint32(0, Number(value)) },
  int64: { words: 4, whole: true, low: -(2n ** 63n), high: 2n ** 63n - 1n, read: (view) => view.getBigInt64(0), write: (view, value) => view.setBigInt64(0, BigInt(value)) },
  uint64: { words: 4, whole: true, low: 0n, high: 2n ** 64n - 1n, read: (view) => view.getBigUint64(0), write: (view, value) => view.setBigUint64(0, BigInt(value)) },
  float16: { words: 1, whole: false, low: -65_504, high: 65_504, read: (view) => nearest(view.getFloat16(0), Math.f16round), write: (view, value) => view.setFloat16(0, Number(value)) },
  float32: { words: 2, whole: false, low: -3.4028234663852886e38, high: 3.4028234663852886e38, read: (view) => nearest(view.getFloat32(0), Math.fround), write: (view, value) => view.setFloat32(0, Number(value)) },
  float64: { words: 4, whole: false, low: -Number.MAX_VALUE, high: Number.MAX_VALUE, read: (view) => view.getFloat64(0), write: (view, value) => view.setFloat64(0, Number(value)) },
  bcd16: { words: 1, whole: true, low: 0, high: 9999, read: (view) => fromBcd(BigInt(view.getUint16(0))), write: (view, value) => view.setUint16(0, Number(toBcd(value))) },
  bcd32: { words: 2, whole: true, low: 0, high: 99_999_999, read: (view) => fromBcd(BigInt(view.getUint32(0))), write: (view, value) => view.setUint32(0, Number(toBcd(value))) },
  bcd64: { words: 4, whole: true, low: 0n, high: 9_999_999_999_999_999n, read: (view) => fromBcd(view.getBigUint64(0)), write: (view, value) => view.setBigUint64(0, toBcd(value)) },
};

/** The shortest decimal that this float is the nearest to: 0.1 and not 0.10000000149011612. Nine digits name every float32. */
function nearest(float: number, round: (value: number) => number): number {
  if (!Number.isFinite(float) || Number.isInteger(float)) return float;
  for (let digits = 3; digits < 9; digits++) {
    const decimal = Number(float.toPrecision(digits));
    if (round(decimal) === float) return decimal;
  }
  return Number(float.toPrecision(9));
}

/** A hexadecimal digit is a decimal one. */
function fromBcd(bits: bigint): number | bigint | undefined {
  const text = bits.toString(16);
  if (/[a-f]/.test(text)) return undefined;
  return text.length <= 15 ? Number(text) : BigInt(text);
}

function toBcd(value: number | bigint): bigint {
  return BigInt(`0x${value}`);
}
