import { isObject, type StepMessage } from "@busbar/core";
import * as v from "valibot";

/** How far a value can be trusted (WIRE §1). */
export type Quality = "good" | "uncertain" | "bad";

/** One reading of a message, whichever shape the message has. */
export interface Sample {
  readonly tag: string;
  /** Number, boolean or text; null or anything else where the source says so, most often of bad quality. */
  readonly value: unknown;
  readonly unit?: string | undefined;
  readonly quality: Quality;
  /** The status in the words of the protocol, where the source gives one. */
  readonly code?: string | undefined;
  /** Event time, ms since the Unix epoch: the reading's own `timestamp`, else that of the message. */
  readonly time: number;
}

/**
 * The readings of a message in either shape of WIRE §1: `{"values":[{tag, value, …}], "quality"}` or a flat object of numbers, booleans and text. Empty where there are none. An item of `values` without a tag,
 * and a field of a flat object that is neither of the three, is no reading. A quality that is none of the three counts as uncertain.
 */
export function samplesOf(message: StepMessage): Sample[] {
  const samples: Sample[] = [];
  mapSamples(message, (sample) => {
    samples.push(sample);
    return sample;
  });
  return samples;
}

/**
 * Changes readings: `each` is called for every one, in order, and gives it back as it is, another one in its place, or undefined to leave it out. Gives the message itself where nothing changed, undefined
 * where it had readings and none is left, else a copy. What is no reading stays. A flat payload stays flat as long as it can say everything (no unit, code or time of its own, quality good); else it becomes the other shape.
 */
export function mapSamples(message: StepMessage, each: (sample: Sample) => Sample | undefined): StepMessage | undefined {
  const { payload } = message;
  if (!isObject(payload)) return message;
  return Array.isArray(payload["values"]) ? mapValues(message, payload, each) : mapFlat(message, payload, each);
}

/** A message with these readings, in the shape with `values`, and all else of `base`. Its timestamp is the newest of theirs; a reading of another time says so. */
export function withSamples(base: StepMessage, samples: readonly Sample[]): StepMessage {
  let newest = Number.NEGATIVE_INFINITY;
  for (const { time } of samples) if (time > newest) newest = time;
  const timestamp = samples.length > 0 ? newest : base.timestamp;
  return { ...base, timestamp, payload: { values: samples.map((sample) => toReading(sample, timestamp)) } };
}

/** The message with further readings; one of a tag that is there already takes its place. A payload that holds no readings gives way to them. */
export function addSamples(message: StepMessage, more: readonly Sample[]): StepMessage {
  const tags = new Set(more.map(({ tag }) => tag));
  const base = { ...message, payload: isObject(message.payload) ? message.payload : {} };
  const others = mapSamples(base, (sample) => (tags.has(sample.tag) ? undefined : sample))?.payload ?? {};
  const payload = others as Readonly<Record<string, unknown>>;
  const { timestamp } = message;
  if (Array.isArray(payload["values"])) return { ...message, payload: { ...payload, values: [...(payload["values"] as unknown[]), ...more.map((sample) => toReading(sample, timestamp))] } };
  const kept = samplesOf({ ...message, payload });
  if ([...kept, ...more].every((sample) => isFlat(sample, timestamp))) return { ...message, payload: { ...payload, ...Object.fromEntries(more.map(({ tag, value }) => [tag, value])) } };
  return { ...message, payload: { values: [...kept, ...more].map((sample) => toReading(sample, timestamp)) } };
}

const savedSchema = v.object({ tag: v.string(), value: v.unknown(), unit: v.optional(v.string()), quality: v.picklist(["good", "uncertain", "bad"]), code: v.optional(v.string()), time: v.number() });

/** A sample that was kept as plain JSON; undefined where it is none. */
export function loadSample(saved: unknown): Sample | undefined {
  const parsed = v.safeParse(savedSchema, saved);
  return parsed.success ? parsed.output : undefined;
}

/** Whether a flat payload can say all of it. */
function isFlat({ value, unit, quality, code, time }: Sample, timestamp: number): boolean {
  return unit === undefined && code === undefined && quality === "good" && time === timestamp && typeof value !== "object";
}

function mapValues(message: StepMessage, payload: Readonly<Record<string, unknown>>, each: (sample: Sample) => Sample | undefined): StepMessage | undefined {
  const items = payload["values"] as readonly unknown[];
  const common = toQuality(payload["quality"], "good");
  let out: unknown[] | undefined;
  let found = 0;
  let left = 0;
  for (let at = 0; at < items.length; at++) {
    const item = items[at];
    const sample = isObject(item) ? toSample(item, common, message.timestamp) : undefined;
    const next = sample && each(sample);
    if (sample) found++;
    if (next) left++;
    if (next !== sample) out ??= items.slice(0, at);
    if (out === undefined || (sample && !next)) continue;
    out.push(next && next !== sample ? rewrite(item as object, next, message.timestamp) : item);
  }
  if (out === undefined) return message;
  return found > 0 && left === 0 ? undefined : { ...message, payload: { ...payload, values: out } };
}

function mapFlat(message: StepMessage, payload: Readonly<Record<string, unknown>>, each: (sample: Sample) => Sample | undefined): StepMessage | undefined {
  const { timestamp } = message;
  const samples: Sample[] = [];
  const others: [string, unknown][] = [];
  let changed = false;
  let found = 0;
  for (const [tag, value] of Object.entries(payload)) {
    if (typeof value !== "number" && typeof value !== "boolean" && typeof value !== "string") {
      others.push([tag, value]);
      continue;
    }
    found++;
    const sample: Sample = { tag, value, quality: "good", time: timestamp };
    const next = each(sample);
    changed ||= next !== sample;
    if (next) samples.push(next);
  }
  if (!changed) return message;
  if (found > 0 && samples.length === 0) return undefined;
  const flat = samples.every((one) => isFlat(one, timestamp));
  const entries = flat ? samples.map((one): [string, unknown] => [one.tag, one.value]) : [["values", samples.map((one) => toReading(one, timestamp))] as [string, unknown]];
  return { ...message, payload: Object.fromEntries([...others, ...entries]) };
}

function toSample(item: Readonly<Record<string, unknown>>, common: Quality, timestamp: number): Sample | undefined {
  const { tag, value, unit, quality, code, timestamp: own } = item;
  if (typeof tag !== "string" || tag === "") return undefined;
  return {
    tag,
    value,
    unit: typeof unit === "string" && unit !== "" ? unit : undefined,
    quality: toQuality(quality, common),
    code: typeof code === "string" ? code : undefined,
    time: typeof own === "number" && Number.isSafeInteger(own) && own >= 0 ? own : timestamp,
  };
}

function toQuality(value: unknown, absent: Quality): Quality {
  if (value === undefined || value === null) return absent;
  return value === "good" || value === "bad" ? value : "uncertain";
}

/** A reading as it goes into `values`. */
function toReading({ tag, value, unit, quality, code, time }: Sample, timestamp: number): Record<string, unknown> {
  return { tag, value, ...(unit === undefined ? {} : { unit }), quality, ...(code === undefined ? {} : { code }), ...(time === timestamp ? {} : { timestamp: time }) };
}

/** The same, with whatever else the reading had. Fields are set one by one, which costs a fraction of taking an object apart. */
function rewrite(item: object, { tag, value, unit, quality, code, time }: Sample, timestamp: number): Record<string, unknown> {
  const reading: Record<string, unknown> = { ...item, tag, value, quality };
  setOrDrop(reading, "unit", unit);
  setOrDrop(reading, "code", code);
  setOrDrop(reading, "timestamp", time === timestamp ? undefined : time);
  return reading;
}

function setOrDrop(reading: Record<string, unknown>, key: string, value: unknown): void {
  if (value !== undefined) reading[key] = value;
  else if (reading[key] !== undefined) delete reading[key];
}
