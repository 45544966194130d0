/**
 * The number whose shortest decimal is the shortest one that reads back as the same float32: 21.3 for the float that a double shows as 21.299999237060547.
 * Whole numbers below 2^53 stay what they are.
 */
export function shortestFloat32(value: number): number {
  if (Number.isInteger(value) && Math.abs(value) < 2 ** 53) return value;
  // Nearly every sensor has at most three decimals; the fewest that give the same float are the shortest.
  for (let scale = 10; scale <= 1000 && !Number.isInteger(value); scale *= 10) {
    const short = Math.round(value * scale) / scale;
    if (Math.fround(short) === value) return short;
  }
  if (!Number.isFinite(value)) return value;
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return Number(value.toPrecision(9)); // nine digits always tell float32 values apart (IEEE 754-2019 §5.12.2)
}

const slots = 4096;
const texts: string[] = new Array<string>(slots).fill("0");
const float = new Float32Array(1);
const bits = new Int32Array(float.buffer);
const keys = new Int32Array(slots); // all of them 0.0, as the texts say

/**
 * A finite float32 as JSON text, the shortest decimal that reads back as it. The texts of values that come again, as those of a sensor do, are remembered: in a table of
 * fixed size, where a newcomer takes the place of whoever had its slot.
 */
export function formatFloat32(value: number): string {
  float[0] = value;
  const key = bits[0]!;
  const slot = (Math.imul(key, 0x9e3779b1) >>> 20) & (slots - 1);
  if (keys[slot] === key) return texts[slot]!;
  keys[slot] = key;
  return (texts[slot] = String(shortestFloat32(value)));
}
