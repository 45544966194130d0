import { cutFields, matchesAny, outermost, type FieldPlace, type SensitiveFields } from "@busbar/core";
import { readReadings } from "./readings.ts";

/** Which readings must not be in the series, as they are sensitive: these are stored encrypted, in the journal, or not at all. */
export interface SeriesMask {
  readonly sensitive: SensitiveFields;
  /** Topics whose payloads are stored as series. */
  readonly readings: readonly string[];
}

/** The payload of a message, which it may change, without its sensitive fields: marks stand for them, which are no readings. */
export function maskPayload(payload: unknown, places: readonly FieldPlace[]): unknown {
  return places.length === 0 ? payload : cutFields(payload, outermost(places), "").rest;
}

/** The tags of those readings of a payload that are sensitive. Changes the payload. */
export function sensitiveTags(payload: unknown, places: readonly FieldPlace[]): readonly string[] {
  const tags = new Set(tagsOf(payload));
  for (const tag of tagsOf(maskPayload(payload, places))) tags.delete(tag);
  return [...tags];
}

/** Whether a series is one of sensitive values, going by what a message that its device sends to nobody in particular would look like, in either shape. */
export function isSensitiveSeries(device: string, tag: string, { sensitive, readings }: SeriesMask, types: readonly string[]): boolean {
  return types.some((type) => {
    const topic = `${type}/${device}`;
    if (!matchesAny(readings, topic)) return false;
    return [{ values: [{ tag, value: 0 }] }, { [tag]: 0 }].some((payload) => sensitiveTags(payload, sensitive.placesIn(topic, type, payload)).includes(tag));
  });
}

function tagsOf(payload: unknown): readonly string[] {
  return readReadings(payload, () => {}).map(({ tag }) => tag);
}
