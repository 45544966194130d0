import { ClientError } from "./client-error.ts";

/** A JSON value in the form of RFC 8785 (JCS), in which messages are signed: `value` as JSON.parse gives it. @throws {ClientError} BAD_FRAME for a number or a string that has no such form. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const names = Object.keys(value).sort(); // by UTF-16 code units (ECMA-262 §23.1.3.30), as RFC 8785 §3.2.3 asks
    return `{${names.map((name) => `${canonicalJson(name)}:${canonicalJson((value as Readonly<Record<string, unknown>>)[name])}`).join(",")}}`;
  }
  if ((typeof value === "number" && !Number.isFinite(value)) || (typeof value === "string" && !value.isWellFormed())) throw new ClientError("BAD_FRAME", "Cannot sign: the payload holds a number beyond the doubles, or half a surrogate pair");
  return JSON.stringify(value);
}
