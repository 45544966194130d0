import { ScalarType, type DescMessage } from "@bufbuild/protobuf";
import { BusbarError } from "../errors.ts";
import { findField, type FieldPath } from "./descriptor-set.ts";

/** A message as decoded in json form. */
export type Decoded = Readonly<Record<string, unknown>>;

/** What becomes the payload: see CustomCodecOptions. */
export type PayloadMapping =
  | "whole"
  | { readonly field: string }
  | { readonly readings: Readonly<Record<string, string | { readonly field: string; readonly unit?: string | undefined }>> }
  | { readonly list: string; readonly tag: string; readonly value: string; readonly unit?: string | undefined; readonly quality?: string | undefined };

/** What a number stands for that is a time. */
export type TimeUnit = "s" | "ms" | "us" | "ns";

const unitsPerMs: Readonly<Record<TimeUnit, number>> = { s: 0.001, ms: 1, us: 1e3, ns: 1e6 };

/** Compiles who speaks: a field path, or a template with field paths in braces. */
export function mapText(desc: DescMessage, source: string): (value: Decoded) => string {
  const parts = source.includes("{") ? source.split(/\{([^{}]*)\}/) : ["", source, ""];
  const paths = parts.map((part, at) => (at % 2 === 0 ? part : findField(desc, part)));
  for (const path of paths) {
    if (typeof path !== "string") checkPlain(path);
    else if (!/^[A-Za-z0-9._:@/-]*$/.test(path)) throw new BusbarError("CONFIG", `Cannot use ${JSON.stringify(source)} as sender: an id has no ${JSON.stringify(path)}; fields stand in braces, {${desc.fields[0]?.name ?? "field"}}`);
  }
  return (value) => paths.map((path) => (typeof path === "string" ? path : String(path.read(value) ?? ""))).join("");
}

/** Compiles when it happened, in ms since the epoch; 0 = not said. */
export function mapTime(desc: DescMessage, source: string, unit: TimeUnit): (value: Decoded) => number {
  const path = findField(desc, source);
  if (path.field.fieldKind === "message" && path.field.message.typeName === "google.protobuf.Timestamp") {
    return (value) => {
      const time = path.read(value) as { readonly seconds: number | string; readonly nanos: number } | undefined;
      return time === undefined ? 0 : Number(time.seconds) * 1000 + Math.floor(time.nanos / 1e6);
    };
  }
  if (path.field.fieldKind !== "scalar" || path.field.scalar === ScalarType.STRING || path.field.scalar === ScalarType.BYTES || path.field.scalar === ScalarType.BOOL) {
    throw new BusbarError("CONFIG", `Cannot use field "${source}" as timestamp: it is neither a number nor a google.protobuf.Timestamp`);
  }
  // Nanoseconds of today are beyond 2^53; as a double they are off by less than a microsecond.
  return (value) => Math.floor(Number(path.read(value) ?? 0) / unitsPerMs[unit]);
}

/** Compiles the payload. */
export function mapPayload(desc: DescMessage, mapping: PayloadMapping): (value: Decoded) => unknown {
  if (mapping === "whole") return (value) => value;
  if ("field" in mapping) {
    const path = findField(desc, mapping.field);
    return (value) => path.read(value);
  }
  if ("readings" in mapping) {
    const tags = Object.entries(mapping.readings).map(([tag, source]) => {
      const { field, unit } = typeof source === "string" ? { field: source, unit: undefined } : source;
      const path = findField(desc, field);
      checkPlain(path);
      return { tag, path, unit };
    });
    return (value) => withReadings(tags.map(({ tag, path, unit }) => reading(tag, path.read(value), unit, undefined)));
  }
  const list = findField(desc, mapping.list);
  if (list.field.fieldKind !== "list" || list.field.listKind !== "message") throw new BusbarError("CONFIG", `Cannot use field "${mapping.list}" as a list of readings: it is not a repeated message`);
  const item = list.field.message;
  const inItem = (source: string | undefined): FieldPath | undefined => {
    const path = source === undefined ? undefined : findField(item, source);
    if (path !== undefined) checkPlain(path);
    return path;
  };
  const tag = inItem(mapping.tag);
  const value = inItem(mapping.value);
  const unit = inItem(mapping.unit);
  const quality = inItem(mapping.quality);
  return (message) => {
    const items = (list.read(message) ?? []) as readonly Decoded[];
    return withReadings(items.map((one) => reading(String(tag!.read(one) ?? ""), value!.read(one), unit?.read(one), quality?.read(one))));
  };
}

interface Reading {
  readonly tag: string;
  readonly value: unknown;
  readonly unit?: unknown;
  readonly quality?: unknown;
}

const withReadings = (readings: readonly (Reading | undefined)[]): object => ({ values: readings.filter((one) => one !== undefined), quality: "good" });

/** One reading of WIRE §1; none where the field is absent; null, which stands for NaN and the infinities, is bad. */
function reading(tag: string, value: unknown, unit: unknown, quality: unknown): Reading | undefined {
  if (value === undefined) return undefined;
  if (tag === "") throw new BusbarError("BAD_FRAME", "Cannot use a reading: its tag is empty");
  const said = value === null ? "bad" : quality || undefined;
  if (said !== undefined && said !== "good" && said !== "uncertain" && said !== "bad") throw new BusbarError("BAD_FRAME", `Cannot use ${JSON.stringify(String(said).slice(0, 80))} as quality: it is not good, uncertain or bad`);
  return { tag, value, ...(unit ? { unit } : {}), ...(said === undefined ? {} : { quality: said }) };
}

function checkPlain({ field }: FieldPath): void {
  if (field.fieldKind !== "enum" && (field.fieldKind !== "scalar" || field.scalar === ScalarType.BYTES)) throw new BusbarError("CONFIG", `Cannot use field "${field.name}" of ${field.parent.typeName} here: it is not one number, text, boolean or enum`);
}
