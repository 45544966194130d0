import type { Quality } from "@busbar/core";

/** One value of one tag, as a status message says it (WIRE §1, "Readings"). */
export interface Reading {
  readonly tag: string;
  /** null = the source has none; then the quality is not good. */
  readonly value: number | boolean | string | null;
  readonly unit: string | undefined;
  readonly quality: Quality;
  /** The status in the protocol's own words. */
  readonly code: string | undefined;
  /** When this value was sampled, ms since the Unix epoch; undefined = at the time of its message. */
  readonly timestamp: number | undefined;
}

/** Why a value of a payload is not stored. */
export type ReadingProblem = "not-readings" | "sensitive" | "unsupported-value" | "too-long" | "too-many-values";

/** Readings of one message at most, the longest tag, unit, code and text in UTF-16 units, and the latest time a JavaScript Date knows (ECMA-262 §21.4.1.1). */
export const readingLimits = { perMessage: 10_000, tag: 256, unit: 64, code: 128, text: 4096, timestamp: 8_640_000_000_000_000 } as const;

/**
 * The readings of a payload (plain JSON) in either shape of WIRE §1: `{"values":[{tag, value, unit?, quality?, code?, timestamp?}], "quality"?}` or a flat object
 * of numbers, booleans and strings. What is not a reading is reported once for each value; a quality that is none of the three is taken as uncertain, a timestamp that is no time in ms
 * as absent: there were readings with such a field of their own before it had a meaning.
 */
export function readReadings(payload: unknown, refuse: (problem: ReadingProblem) => void): Reading[] {
  const found: Reading[] = [];
  const add = (tag: unknown, value: unknown, quality: Quality, { unit, code, timestamp }: Readonly<Record<string, unknown>>): boolean => {
    if (found.length >= readingLimits.perMessage) {
      refuse("too-many-values");
      return false;
    }
    const kind = typeof value;
    if (isMark(value) || isMark(tag)) refuse("sensitive");
    else if (typeof tag !== "string" || tag === "" || (kind !== "number" && kind !== "boolean" && kind !== "string" && (value !== null || quality === "good")) || (kind === "number" && !Number.isFinite(value))) refuse("unsupported-value");
    else if (tag.length > readingLimits.tag || (typeof value === "string" && value.length > readingLimits.text)) refuse("too-long");
    else found.push({ tag, value: value as Reading["value"], unit: toText(unit, readingLimits.unit), quality, code: toText(code, readingLimits.code), timestamp: toTime(timestamp) });
    return true;
  };
  if (isMark(payload)) {
    refuse("sensitive");
  } else if (typeof payload !== "object" || payload === null || Array.isArray(payload) || isBytes(payload)) {
    refuse("not-readings");
  } else if ("values" in payload && Array.isArray(payload.values)) {
    const common = toQuality("quality" in payload ? payload.quality : undefined, "good");
    for (const item of payload.values as unknown[]) {
      if (isMark(item)) {
        refuse("sensitive");
        continue;
      }
      const fields = (typeof item === "object" && item !== null ? item : nothing) as Readonly<Record<string, unknown>>;
      if (!add(fields["tag"], fields["value"], toQuality(fields["quality"], common), fields)) break;
    }
  } else {
    for (const [tag, value] of Object.entries(payload)) if (!add(tag, value, "good", nothing)) break;
  }
  return found;
}

const nothing: Readonly<Record<string, unknown>> = {};

function toText(value: unknown, limit: number): string | undefined {
  return typeof value === "string" && value !== "" ? value.slice(0, limit) : undefined;
}

function toTime(value: unknown): number | undefined {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= readingLimits.timestamp ? (value as number) : undefined;
}

/** What stands for a field that is stored encrypted. */
function isMark(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.hasOwn(value, "$encrypted") && Object.keys(value).length === 1;
}

/** Bytes as they stand in JSON (WIRE §1). */
function isBytes(payload: object): boolean {
  return "$base64" in payload && typeof payload.$base64 === "string" && Object.keys(payload).length === 1;
}

function toQuality(value: unknown, absent: Quality): Quality {
  if (value === undefined || value === null) return absent;
  return value === "good" || value === "bad" ? value : "uncertain";
}
