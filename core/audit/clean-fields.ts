import type { AuditFields } from "../audit.ts";

/** What the log itself says about an entry. */
const reserved: ReadonlySet<string> = new Set(["seq", "time", "action", "source", "prev", "hash"]);
const secretName = /pass(word|phrase|wd)?$|secret|token$|private.?key|api.?key|authorization|cookie|^pin$|^psk$/i;
/** A JSON Web Token, a PEM key, HTTP credentials, a password in a URL. */
const secretText = /eyJ[\w-]{5,}\.[\w-]+(?:\.[\w-]*)?|-----BEGIN [A-Z ]*KEY-----[^]*|\b(?:bearer|basic)\s+[\w+/=.~-]{6,}|(?<=:\/\/[^\s/@:]{0,100}:)[^\s/@]+(?=@)/gi;

const longestText = 512;
const longestList = 100;
const mostFields = 32;
const deepest = 2;
/** Stands where something was that must not be in the log. */
const leftOut = "[left out]";

/** What may go into the log of some fields, and about how many bytes that is. */
export function cleanFields(fields: AuditFields): { readonly fields: AuditFields; readonly size: number } {
  const size = { value: 64 };
  return { fields: cleanObject(fields, 0, size) as AuditFields, size: size.value };
}

function cleanObject(object: object, depth: number, size: { value: number }): object {
  const result: Record<string, unknown> = {};
  for (const key of Object.keys(object).slice(0, mostFields)) {
    if (!/^[A-Za-z][\w-]{0,63}$/.test(key)) continue;
    const value = (object as Record<string, unknown>)[key];
    const clean = secretName.test(key) && typeof value !== "boolean" && value !== undefined ? leftOut : cleanValue(value, depth, size);
    if (clean === undefined) continue;
    size.value += key.length + 4;
    result[depth === 0 && reserved.has(key) ? `${key}_` : key] = clean;
  }
  return result;
}

function cleanValue(value: unknown, depth: number, size: { value: number }): unknown {
  if (typeof value === "string") {
    const text = (value.length > 4 * longestText ? value.slice(0, 4 * longestText) : value).replace(secretText, leftOut);
    const short = text.length > longestText ? text.slice(0, longestText) + "…" : text;
    size.value += short.length + 2;
    return short;
  }
  size.value += 8;
  if (typeof value === "boolean" || value === null || Number.isFinite(value)) return value;
  if (typeof value === "bigint") return String(value);
  if (typeof value !== "object" || depth >= deepest) return undefined;
  if (Array.isArray(value)) return value.slice(0, longestList).map((one) => cleanValue(one, depth + 1, size) ?? null);
  return cleanObject(value as object, depth + 1, size);
}
