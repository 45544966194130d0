/** One value of one tag, as a status message says it (WIRE §1, "Readings"). */
export interface Reading {
  readonly tag: string;
  readonly value: number | boolean | string;
  readonly unit: string | undefined;
  readonly quality: Quality;
}

/** How far a value can be trusted (WIRE §1). */
export type Quality = "good" | "uncertain" | "bad";

/** Why a value of a payload is not stored. */
export type ReadingProblem = "not-readings" | "sensitive" | "unsupported-value" | "too-long" | "too-many-values";

/** Readings of one message at most, and the longest tag, unit and text in UTF-16 units. */
export const readingLimits = { perMessage: 10_000, tag: 256, unit: 64, text: 4096 } as const;

/**
 * The readings of a payload (plain JSON) in either shape of WIRE §1: `{"values":[{tag, value, unit?, quality?}], "quality"?}` or a flat object of numbers,
 * booleans and strings. What is not a reading is reported once for each value; a quality that is none of the three is taken as uncertain.
 */
export function readReadings(payload: unknown, refuse: (problem: ReadingProblem) => void): Reading[] {
  const found: Reading[] = [];
  const add = (tag: unknown, value: unknown, unit: unknown, quality: Quality): boolean => {
    if (found.length >= readingLimits.perMessage) {
      refuse("too-many-values");
      return false;
    }
    const kind = typeof value;
    if (isMark(value) || isMark(tag)) refuse("sensitive");
    else if (typeof tag !== "string" || tag === "" || (kind !== "number" && kind !== "boolean" && kind !== "string") || (kind === "number" && !Number.isFinite(value))) refuse("unsupported-value");
    else if (tag.length > readingLimits.tag || (typeof value === "string" && value.length > readingLimits.text)) refuse("too-long");
    else found.push({ tag, value: value as number | boolean | string, unit: typeof unit === "string" && unit !== "" ? unit.slice(0, readingLimits.unit) : undefined, quality });
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
      const { tag, value, unit, quality } = (typeof item === "object" && item !== null ? item : {}) as Record<string, unknown>;
      if (!add(tag, value, unit, toQuality(quality, common))) break;
    }
  } else {
    for (const [tag, value] of Object.entries(payload)) if (!add(tag, value, undefined, "good")) break;
  }
  return found;
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
