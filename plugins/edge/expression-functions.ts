import type { Environment } from "@marcbachmann/cel-js";
import { matchesGlob } from "./glob.ts";

/** Numbers as CEL hands them over: its int is a bigint. */
type Num = number | bigint;

const ofOne: Readonly<Record<string, (x: number) => number>> = { sqrt: Math.sqrt, exp: Math.exp, log: Math.log, log10: Math.log10, sin: Math.sin, cos: Math.cos, tan: Math.tan, floor: Math.floor, ceil: Math.ceil, round: Math.round, abs: Math.abs };
const ofTwo: Readonly<Record<string, (x: number, y: number) => number>> = { min: Math.min, max: Math.max, pow: Math.pow, hypot: Math.hypot, round: roundTo };
const arithmetic: Readonly<Record<string, (x: number, y: number) => number>> = { "+": (x, y) => x + y, "-": (x, y) => x - y, "*": (x, y) => x * y, "/": (x, y) => x / y };

/**
 * Gives CEL what readings need. Readings are doubles, and people write `value * 2`, so doubles and whole numbers mix; and CEL has no mathematics of its own.
 * Functions: abs, ceil, cos, exp, floor, log, log10, round, sin, sqrt, tan of one number; hypot, max, min, pow, round(x, digits) of two; clamp(x, low, high); like(text, "pump-*").
 */
export function registerFunctions(environment: Environment): void {
  for (const [sign, of] of Object.entries(arithmetic)) {
    environment.registerOperator(`double ${sign} int`, (x: number, y: bigint) => of(x, Number(y)));
    environment.registerOperator(`int ${sign} double`, (x: bigint, y: number) => of(Number(x), y));
  }
  environment.registerOperator("double % double", (x: number, y: number) => x % y);
  environment.registerOperator("double % int", (x: number, y: bigint) => x % Number(y));
  const kinds = ["double", "int"] as const;
  for (const x of kinds) {
    for (const [name, of] of Object.entries(ofOne)) environment.registerFunction(`${name}(${x}): double`, (value: Num) => of(Number(value)));
    for (const y of kinds) {
      for (const [name, of] of Object.entries(ofTwo)) environment.registerFunction(`${name}(${x}, ${y}): double`, (one: Num, other: Num) => of(Number(one), Number(other)));
      for (const z of kinds) environment.registerFunction(`clamp(${x}, ${y}, ${z}): double`, (value: Num, low: Num, high: Num) => Math.min(Math.max(Number(value), Number(low)), Number(high)));
    }
  }
  environment.registerFunction("like(string, string): bool", (text: string, glob: string) => matchesGlob(glob, text));
}

/** Rounds to so many digits behind the point, -15 to 15. */
function roundTo(value: number, digits: number): number {
  const factor = 10 ** Math.min(Math.max(Math.trunc(digits), -15), 15);
  return Math.round(value * factor) / factor;
}
