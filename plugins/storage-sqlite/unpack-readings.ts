import type { ReadingPage, StoredReading } from "@busbar/core";
import { qualities } from "./quality.ts";
import type { PackedReadings } from "./series-query.ts";

/** A page of readings as the Store port has it, of what came from the worker. */
export function unpackReadings({ buffer, count, next, unit, statuses }: PackedReadings): ReadingPage {
  const values = new Float64Array(buffer);
  const meaning = new Map(statuses.map(([id, level, code]) => [id, { quality: qualities[level]!, ...(code === undefined ? {} : { code }) }]));
  const readings = Array.from({ length: count }, (_, at): StoredReading => {
    const [time, received, value, status] = [values[at * 4]!, values[at * 4 + 1]!, values[at * 4 + 2]!, values[at * 4 + 3]!];
    return { time, ...(Number.isNaN(received) ? {} : { received }), value: Number.isNaN(value) ? null : value, ...meaning.get(status)! };
  });
  return { readings, ...(unit === undefined ? {} : { unit }), ...(next === undefined ? {} : { next }) };
}
