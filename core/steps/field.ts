import * as v from "valibot";

/** One value of a readings payload (WIRE §1). */
export interface Reading {
  readonly tag: string;
  readonly value?: unknown;
  readonly unit?: unknown;
  readonly quality?: unknown;
}

/** A payload in the shape `{"values":[{"tag","value","unit","quality"}],"quality"}` (WIRE §1). */
export interface ReadingsPayload {
  readonly values: readonly Reading[];
  readonly quality?: unknown;
}

const refused: ReadonlySet<string> = new Set(["__proto__", "prototype", "constructor"]);

/** Config schema of a field's name: a tag of a readings payload, else a path of keys joined by dots, such as `motor.speed`. */
export function fieldName() {
  return v.pipe(
    v.string(),
    v.minLength(1),
    v.maxLength(256),
    v.check((name) => name.split(".").every((key) => key !== "" && !refused.has(key)), "must be a tag, or keys joined by dots such as motor.speed"),
    v.description("A tag of a readings payload, else a path of keys joined by dots, such as motor.speed"),
  );
}

/** Whether a payload is `{"values":[{"tag":…}]}`. */
export function isReadings(payload: unknown): payload is ReadingsPayload {
  return isObject(payload) && Array.isArray(payload["values"]) && payload["values"].every((one) => isObject(one) && typeof one["tag"] === "string");
}

/** Whether a value is an object with keys: no array, no bytes. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

/** The value of a field, or undefined: the tag of that name in a readings payload, else the value at the path. Only a payload's own keys count. */
export function readField(payload: unknown, name: string): unknown {
  if (isReadings(payload)) {
    const reading = payload.values.find((one) => one.tag === name);
    if (reading) return reading.value;
  }
  let value = payload;
  for (const key of name.split(".")) {
    if (typeof value !== "object" || value === null || value instanceof Uint8Array || !Object.hasOwn(value, key)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[key];
  }
  return value;
}

/** A copy of the payload in which a field has another value; whatever is not on the way to it is shared. A payload that is no object gives way to one. */
export function writeField(payload: unknown, name: string, value: unknown): unknown {
  if (isReadings(payload)) {
    const known = payload.values.some((one) => one.tag === name);
    return { ...payload, values: known ? payload.values.map((one) => (one.tag === name ? { ...one, value } : one)) : [...payload.values, { tag: name, value }] };
  }
  return writePath(payload, name.split("."), value);
}

function writePath(target: unknown, [key, ...rest]: readonly string[], value: unknown): unknown {
  if (key === undefined) return value;
  const own = isObject(target) ? target : {};
  return { ...own, [key]: writePath(Object.hasOwn(own, key) ? own[key] : undefined, rest, value) };
}

/** A copy of the payload without a field. A payload that does not have it is returned as it is. */
export function dropField(payload: unknown, name: string): unknown {
  if (isReadings(payload)) return payload.values.some((one) => one.tag === name) ? { ...payload, values: payload.values.filter((one) => one.tag !== name) } : payload;
  return dropPath(payload, name.split("."));
}

function dropPath(target: unknown, [key, ...rest]: readonly string[]): unknown {
  if (key === undefined || !isObject(target) || !Object.hasOwn(target, key)) return target;
  if (rest.length > 0) return { ...target, [key]: dropPath(target[key], rest) };
  return Object.fromEntries(Object.entries(target).filter(([name]) => name !== key));
}

/** Whether nothing is left in a payload: no key, or no reading. */
export function isEmpty(payload: unknown): boolean {
  return isReadings(payload) ? payload.values.length === 0 : isObject(payload) && Object.keys(payload).length === 0;
}
