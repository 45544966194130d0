import * as v from "valibot";
import { isId, isPattern } from "./topic.ts";

/*
 * The building blocks of config schemas, so that every plugin says durations, sizes and ports in the same words.
 */

const durationUnits: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const sizeUnits: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, kB: 1000, MB: 1e6, GB: 1e9 };

function parseUnits(text: string, units: Readonly<Record<string, number>>): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?) ?([A-Za-z]+)$/.exec(text) ?? [];
  const factor = unit === undefined || !Object.hasOwn(units, unit) ? undefined : units[unit];
  return factor === undefined ? Number.NaN : Math.round(Number(number) * factor);
}

const within = (min: number, max: number, what: string) =>
  v.pipe(
    v.number(),
    v.check((value) => value >= min && value <= max, `must be ${what}`),
  );

/** A duration: milliseconds as a number, or text such as "500ms", "30s", "5m", "1h", "7d". Gives milliseconds within `[min, max]`. */
export function duration(min = 0, max = 10 * 365 * 86_400_000) {
  return v.pipe(
    v.union([v.number(), v.string()], "must be a duration: milliseconds, or text such as \"30s\""),
    v.transform((value) => (typeof value === "number" ? value : parseUnits(value, durationUnits))),
    v.check((value) => Number.isFinite(value), "must be a duration: milliseconds, or text such as \"500ms\", \"30s\", \"5m\", \"1h\", \"7d\""),
    within(min, max, `a duration of ${min} ms to ${max} ms`),
  );
}

/** A number of bytes: a number, or text such as "64KiB", "1MiB". Gives bytes within `[min, max]`. */
export function byteSize(min = 0, max = Number.MAX_SAFE_INTEGER) {
  return v.pipe(
    v.union([v.number(), v.string()], "must be a size: bytes, or text such as \"1MiB\""),
    v.transform((value) => (typeof value === "number" ? value : parseUnits(value, sizeUnits))),
    v.check((value) => Number.isInteger(value), "must be a size: bytes, or text such as \"64KiB\", \"1MiB\", \"2GiB\""),
    within(min, max, `a size of ${min} to ${max} bytes`),
  );
}

/** A whole number within `[min, max]`. */
export function integer(min: number, max: number) {
  return v.pipe(v.number(), v.integer(), v.minValue(min), v.maxValue(max));
}

/** A TCP or UDP port: 0 (any free one) to 65535. */
export function portNumber() {
  return v.pipe(v.number("must be a port, 0 to 65535"), v.integer("must be a port, 0 to 65535"), v.minValue(0, "must be a port, 0 to 65535"), v.maxValue(65535, "must be a port, 0 to 65535"));
}

/** An id (WIRE §1). */
export function idText() {
  return v.pipe(v.string(), v.check(isId, "must be an id: levels of [A-Za-z0-9._:@-]+ joined by /, at most 256 bytes"));
}

/** A topic filter (MQTT 5.0 §4.7). */
export function topicPattern() {
  return v.pipe(v.string(), v.check(isPattern, "must be a topic pattern such as status/+/temperature or event/#"));
}
