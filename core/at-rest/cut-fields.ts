import type { FieldPlace } from "./field-path.ts";

/** A value that was taken out of a payload, and where it belongs. */
export type CutField = readonly [place: FieldPlace, value: unknown];

/** What stands in place of a value that only the key of that id opens. */
export const encryptedMark = (keyId: string): { readonly $encrypted: string } => ({ $encrypted: keyId });

/** Takes the values at some places, none of which lies within another, out of a payload, which it changes, and puts the mark there. `rest`: what is left. */
export function cutFields(payload: unknown, places: readonly FieldPlace[], keyId: string): { readonly rest: unknown; readonly cut: CutField[] } {
  const cut: CutField[] = [];
  let rest = payload;
  for (const place of places) {
    if (place.length === 0) {
      cut.push([place, rest]);
      rest = encryptedMark(keyId);
      continue;
    }
    const holder = holderOf(rest, place)!;
    const last = place.at(-1)!;
    cut.push([place, holder[last]]);
    holder[last] = encryptedMark(keyId); // an own property already: "__proto__" of JSON.parse, too
  }
  return { rest, cut };
}

/** Puts values back where they were cut. Changes `rest` and gives the payload; undefined when they do not fit there. */
export function restoreFields(rest: unknown, cut: readonly CutField[]): { readonly payload: unknown } | undefined {
  let payload = rest;
  for (const [place, value] of cut) {
    if (place.length === 0) {
      payload = value;
      continue;
    }
    const holder = holderOf(payload, place);
    const last = place.at(-1)!;
    if (!holder || !Object.hasOwn(holder, last)) return undefined;
    holder[last] = value;
  }
  return { payload };
}

/** The object or list in which the last part of a place is looked up. */
function holderOf(payload: unknown, place: FieldPlace): Record<string | number, unknown> | undefined {
  let at = payload;
  for (const part of place.slice(0, -1)) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, part)) return undefined;
    at = (at as Record<string | number, unknown>)[part];
  }
  return typeof at === "object" && at !== null ? (at as Record<string | number, unknown>) : undefined;
}
