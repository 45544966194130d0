import { BusbarError } from "../../errors.ts";

/**
 * A JSON value in the one form that RFC 8785 (JCS) gives it: no white space, members by the UTF-16 code units of their names, numbers and strings as ECMAScript writes them. Bytes are the object
 * `{"$base64":"…"}` of WIRE §1. `depth`: levels of arrays and objects at the most.
 * @throws {BusbarError} BAD_FRAME for what has no such form: a number beyond the doubles, half a surrogate pair, a value nested too deep.
 */
export function canonicalJson(value: unknown, depth = 64): string {
  switch (typeof value) {
    case "string":
      if (!value.isWellFormed()) throw unfit("a string holds half a surrogate pair");
      return JSON.stringify(value);
    case "number":
      if (!Number.isFinite(value)) throw unfit("a number is beyond what a double holds");
      return JSON.stringify(value);
    case "boolean":
      return value ? "true" : "false";
    case "object":
      if (value === null) return "null";
      if (value instanceof Uint8Array) return `{"$base64":"${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64")}"}`;
      if (depth === 0) throw unfit("it is nested too deep");
      return Array.isArray(value) ? canonicalArray(value, depth - 1) : canonicalObject(value as Readonly<Record<string, unknown>>, depth - 1);
    default:
      throw unfit(`a ${typeof value} is no JSON`);
  }
}

function canonicalArray(values: readonly unknown[], depth: number): string {
  return `[${values.map((value) => canonicalJson(value, depth)).join(",")}]`;
}

function canonicalObject(object: Readonly<Record<string, unknown>>, depth: number): string {
  const names = Object.keys(object).sort(); // sort() compares UTF-16 code units (ECMA-262 §23.1.3.30), as RFC 8785 §3.2.3 asks
  return `{${names.map((name) => `${canonicalJson(name)}:${canonicalJson(object[name], depth)}`).join(",")}}`;
}

function unfit(state: string): BusbarError {
  return new BusbarError("BAD_FRAME", `Cannot write the payload in canonical form (RFC 8785): ${state}`);
}
