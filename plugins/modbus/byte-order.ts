/**
 * In which order the bytes of a number come over the wire. The letters stand for the bytes of a 32-bit number from the highest (a) to the lowest (d): `abcd` is big endian, `cdab` has the
 * low register first, `badc` swaps the bytes within each register, `dcba` is little endian. For 16 bits only the bytes within the register count, for 64 bits the same is done with four registers.
 */
export type ByteOrder = "abcd" | "cdab" | "badc" | "dcba";

/** The four orders. */
export const byteOrders = ["abcd", "cdab", "badc", "dcba"] as const satisfies readonly ByteOrder[];

/** Copies `count` registers at byte `at` of `bytes` into `target`, the highest byte first, from an order on the wire. The way back is the same: call it with the number's bytes. */
export function reorder(bytes: Uint8Array, { at, count, order }: { readonly at: number; readonly count: number; readonly order: ByteOrder }, target: Uint8Array): void {
  const swapWords = order === "cdab" || order === "dcba";
  const swapBytes = order === "badc" || order === "dcba" ? 1 : 0;
  for (let word = 0; word < count; word++) {
    const from = at + 2 * (swapWords ? count - 1 - word : word);
    target[2 * word] = bytes[from + swapBytes]!;
    target[2 * word + 1] = bytes[from + 1 - swapBytes]!;
  }
}
