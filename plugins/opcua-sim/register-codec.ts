/** What a value in registers can be. */
export const registerTypes = ["uint16", "int16", "uint32", "int32", "float32", "uint64", "int64", "float64", "bcd16", "bcd32", "string"] as const;

/** One of them. */
export type RegisterType = (typeof registerTypes)[number];

/** The four orders of bytes, by how the bytes a b c d of a number lie on the wire; 64 bits go on alike. */
export const wordOrders = ["abcd", "cdab", "badc", "dcba"] as const;

/** One of them. */
export type WordOrder = (typeof wordOrders)[number];

/** How many registers a value takes; `length` is that of a string. */
export function registersOf(type: RegisterType, length: number): number {
  if (type === "string") return length;
  return type.endsWith("64") ? 4 : type.endsWith("32") ? 2 : 1;
}

/** The lowest and the highest number of a type; 64 bits stop where a number can no longer count. */
export function rangeOf(type: RegisterType): readonly [low: number, high: number] {
  switch (type) {
    case "uint16":
      return [0, 65_535];
    case "int16":
      return [-32_768, 32_767];
    case "uint32":
      return [0, 4_294_967_295];
    case "int32":
      return [-2_147_483_648, 2_147_483_647];
    case "bcd16":
      return [0, 9_999];
    case "bcd32":
      return [0, 99_999_999];
    case "uint64":
      return [0, Number.MAX_SAFE_INTEGER];
    case "int64":
      return [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER];
    default:
      return [-Number.MAX_VALUE, Number.MAX_VALUE];
  }
}

/** A value as registers. Numbers are rounded and held within the type's range; a string is cut or filled up with NUL, two characters a register, the first one high. */
export function encodeRegisters(value: number | string, layout: { readonly type: RegisterType; readonly length: number; readonly order: WordOrder }): Uint16Array {
  const { type, length, order } = layout;
  const bytes = new Uint8Array(2 * registersOf(type, length));
  const view = new DataView(bytes.buffer);
  if (type === "string") {
    bytes.set(new TextEncoder().encode(String(value)).subarray(0, bytes.length));
    return Uint16Array.from({ length }, (_, k) => view.getUint16(2 * k));
  }
  putNumber(view, type, Number(value));
  if (order === "badc" || order === "dcba") for (let at = 0; at < bytes.length; at += 2) bytes.subarray(at, at + 2).reverse();
  const words = Uint16Array.from({ length: bytes.length / 2 }, (_, k) => view.getUint16(2 * k));
  return order === "cdab" || order === "dcba" ? words.reverse() : words;
}

function putNumber(view: DataView, type: Exclude<RegisterType, "string">, number: number): void {
  if (type === "float32") return view.setFloat32(0, number);
  if (type === "float64") return view.setFloat64(0, number);
  const [low, high] = rangeOf(type);
  const whole = Math.min(high, Math.max(low, Math.round(number) || 0));
  switch (type) {
    case "uint16":
    case "int16":
      return view.setInt16(0, whole);
    case "uint32":
    case "int32":
      return view.setInt32(0, whole);
    case "uint64":
    case "int64":
      return view.setBigInt64(0, BigInt(whole));
    case "bcd16":
      return view.setUint16(0, Number.parseInt(String(whole), 16));
    case "bcd32":
      return view.setUint32(0, Number.parseInt(String(whole), 16));
  }
}
