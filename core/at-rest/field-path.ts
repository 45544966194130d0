/** One step into a payload: a field of an object, an item of a list by its place, all of them, or those in which a field has a value. */
export type PathStep =
  | { readonly kind: "field"; readonly name: string }
  | { readonly kind: "item"; readonly index: number }
  | { readonly kind: "each" }
  | { readonly kind: "where"; readonly name: string; readonly equals: string };

/** A path of the config, such as `payload.values[tag=heart-rate]`; no step means the whole payload. */
export type FieldPath = readonly PathStep[];

/** Where one value lies: names of fields and places in lists, from the payload on. */
export type FieldPlace = readonly (string | number)[];

/** Steps of a path at the most. */
const mostSteps = 32;
const step = /\.([^.[\]"\s]+)|\["((?:[^"\\]|\\["\\])*)"\]|\[(\*|\d{1,7})\]|\[([^.[\]"=\s]+)=(?:"((?:[^"\\]|\\["\\])*)"|([^[\]"]+))\]/y;

/**
 * Reads a path: `payload`, then any of `.name`, `["any name"]`, `[0]`, `[*]` (every item), `[name=value]` and `[name="any value"]` (the items of a list whose field has that value, numbers and booleans as their text).
 * Undefined when it is none.
 */
export function parseFieldPath(text: string): FieldPath | undefined {
  if (!text.startsWith("payload")) return undefined;
  const steps: PathStep[] = [];
  step.lastIndex = "payload".length;
  while (step.lastIndex < text.length) {
    const found = step.exec(text);
    if (!found || steps.length >= mostSteps) return undefined;
    const [, name, quoted, place, field, equals, plain] = found;
    if (field !== undefined) steps.push({ kind: "where", name: field, equals: equals === undefined ? plain! : unquote(equals) });
    else if (place === "*") steps.push({ kind: "each" });
    else if (place !== undefined) steps.push({ kind: "item", index: Number(place) });
    else steps.push({ kind: "field", name: name ?? unquote(quoted!) });
  }
  return steps;
}

/** Where a path leads in a payload that was parsed from JSON: nowhere, to one value, or to several. A value that is null is one. */
export function findPlaces(payload: unknown, path: FieldPath): FieldPlace[] {
  let found: { readonly place: FieldPlace; readonly value: unknown }[] = [{ place: [], value: payload }];
  for (const one of path) {
    const next: typeof found = [];
    for (const { place, value } of found) {
      if (typeof value !== "object" || value === null) continue;
      if (one.kind === "field") {
        if (!Array.isArray(value) && Object.hasOwn(value, one.name)) next.push({ place: [...place, one.name], value: (value as Record<string, unknown>)[one.name] });
        continue;
      }
      if (!Array.isArray(value)) continue;
      for (const [index, item] of value.entries()) if (isMeant(one, index, item)) next.push({ place: [...place, index], value: item });
    }
    found = next;
  }
  return found.map(({ place }) => place);
}

function isMeant(step: PathStep, index: number, item: unknown): boolean {
  if (step.kind === "where") return typeof item === "object" && item !== null && Object.hasOwn(item, step.name) && String((item as Record<string, unknown>)[step.name]) === step.equals;
  return step.kind === "each" || (step.kind === "item" && step.index === index);
}

const unquote = (text: string): string => text.replace(/\\(.)/g, "$1");
