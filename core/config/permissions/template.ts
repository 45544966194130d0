import type * as v from "valibot";
import { innerSchema, optionsOf } from "../schema-walk.ts";

const placeholder = /\{([^{}]*)\}/g;
const condition = / if \{([^{}]*)\}$/;

/** The fields that an entry of a manifest names, such as `opcua.port`, in order. */
export function fieldsOf(entry: string): readonly string[] {
  return [...entry.matchAll(placeholder)].map(([, name]) => name!);
}

/** Whether a config can have the field `a.b` by its schema. What a schema does not tell counts as yes. */
export function hasField(schema: v.GenericSchema, name: string): boolean {
  return hasPath(schema, name.split("."));
}

function hasPath(schema: v.GenericSchema, path: readonly string[]): boolean {
  const [key, ...rest] = path;
  if (key === undefined) return true;
  const inner = innerSchema(schema);
  const options = optionsOf(inner);
  if (options.length > 0) return options.some((option) => hasPath(option, path));
  const { type, item, entries } = inner as { readonly type: string; readonly item?: v.GenericSchema; readonly entries?: Readonly<Record<string, v.GenericSchema>> };
  if (type === "array" && item) return hasPath(item, path);
  if (entries === undefined) return !valueTypes.has(type);
  return Object.hasOwn(entries, key) && hasPath(entries[key]!, rest);
}

/** Types of schemas whose values have no fields. */
const valueTypes: ReadonlySet<string> = new Set(["string", "number", "boolean", "bigint", "picklist", "literal", "enum"]);

/** An entry with the fields of a config filled in: none where a field is absent, empty or false, several where one is a list. */
export function fillIn(entry: string, config: unknown): readonly string[] {
  const [, wanted] = condition.exec(entry) ?? [];
  if (wanted !== undefined && !valuesAt(config, wanted.split(".")).some((value) => value !== false && value !== "")) return [];
  let texts = [entry.replace(condition, "")];
  for (const name of fieldsOf(texts[0]!)) {
    const values = valuesAt(config, name.split(".")).filter((value) => typeof value === "number" || (typeof value === "string" && value !== ""));
    texts = texts.flatMap((text) => values.map((value) => text.replace(`{${name}}`, () => String(value))));
  }
  return texts;
}

function valuesAt(value: unknown, path: readonly string[]): readonly unknown[] {
  if (Array.isArray(value)) return value.flatMap((item) => valuesAt(item, path));
  const [key, ...rest] = path;
  if (key === undefined) return value === undefined || value === null ? [] : [value];
  return typeof value === "object" && value !== null && Object.hasOwn(value, key) ? valuesAt((value as Readonly<Record<string, unknown>>)[key], rest) : [];
}
