import type { Unit } from "./unit.ts";

/** Turns a value of one unit into the value of another. */
export type Conversion = (value: number) => number;

/** The conversion between two units of one quantity, or undefined where they measure different things (bar and barg do: gauge pressure leaves out what the air weighs that day). */
export function createConversion(from: Unit, to: Unit): Conversion | undefined {
  if (from.quantity !== to.quantity) return undefined;
  return linear(round(from.factor / to.factor), round((from.offset - to.offset) / to.factor));
}

/** The conversion `value × scale + offset`, without the noise of binary arithmetic: a result has 14 digits, counted from the larger of the two terms, so that 77 °F is 25 °C and 4.1 g is 0.0041 kg. */
export function linear(scale: number, offset: number): Conversion {
  return (value) => {
    const term = value * scale;
    const result = term + offset;
    if (Number.isInteger(result) || !Number.isFinite(result)) return result;
    const digits = 13 - Math.floor(Math.log10(Math.max(Math.abs(term), Math.abs(offset))));
    return digits > 100 ? result : Number(result.toFixed(Math.max(0, digits)));
  };
}

/** The decimal number that a factor stands for, where there is one so near that only arithmetic can have parted them: 32 for 31.99999999999999. */
function round(value: number): number {
  const decimal = Number(value.toPrecision(12));
  return Math.abs(decimal - value) <= 1e-14 * Math.abs(value) ? decimal : value;
}
