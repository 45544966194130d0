import * as v from "valibot";

/** The parts of valibot's schemas that are looked into; which of them are there depends on `type`. */
interface Parts {
  readonly type: string;
  readonly pipe?: readonly v.GenericSchema[];
  readonly wrapped?: v.GenericSchema;
  readonly getter?: (input: unknown) => v.GenericSchema;
  readonly entries?: Readonly<Record<string, v.GenericSchema>>;
  readonly rest?: v.GenericSchema;
  readonly item?: v.GenericSchema;
  readonly items?: readonly v.GenericSchema[];
  readonly value?: v.GenericSchema;
  readonly key?: string | v.GenericSchema;
  readonly options?: readonly unknown[];
}

const partsOf = (schema: v.GenericSchema): Parts => schema as unknown as Parts;

/** What stands inside pipes, optional and lazy wrappers: the schema that sees the input first. */
export function innerSchema(schema: v.GenericSchema, value?: unknown): v.GenericSchema {
  let inner = schema;
  for (let depth = 0; depth < 64; depth++) {
    const { type, pipe, wrapped, getter } = partsOf(inner);
    const next = pipe && pipe[0] !== inner ? pipe[0] : (wrapped ?? (type === "lazy" ? getter?.(value) : undefined));
    if (!next) break;
    inner = next;
  }
  return inner;
}

/** The options of a union or variant; empty for any other schema. */
export function optionsOf(schema: v.GenericSchema): readonly v.GenericSchema[] {
  const { type, options } = partsOf(schema);
  return (type === "union" || type === "variant") && options ? (options as readonly v.GenericSchema[]) : [];
}

const mapTypes: ReadonlySet<string> = new Set(["object", "strict_object", "loose_object", "object_with_rest", "record", "variant"]);
const scalarTypes: ReadonlySet<string> = new Set(["string", "number", "boolean", "bigint", "picklist", "literal", "enum", "null", "undefined"]);

/** Whether a list is wrong here. valibot itself takes an array for an object, as JavaScript does. */
export function refusesList(schema: v.GenericSchema): boolean {
  const inner = innerSchema(schema);
  const { type } = partsOf(inner);
  if (type === "union") return optionsOf(inner).every(refusesList);
  return mapTypes.has(type) || scalarTypes.has(type);
}

/** The keys of an object schema, or undefined for any other schema. */
export function keysOf(schema: v.GenericSchema): readonly string[] | undefined {
  const { entries } = partsOf(schema);
  return entries && Object.keys(entries);
}

/** The schema that judges the value at `keys` within `value`, or undefined when that cannot be told. */
export function schemaAt(schema: v.GenericSchema, keys: readonly PropertyKey[], value: unknown): v.GenericSchema | undefined {
  const inner = choose(innerSchema(schema, value), value);
  if (inner === undefined) return undefined;
  const [key, ...rest] = keys;
  if (key === undefined) return inner;
  const below: unknown = typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
  const { entries, rest: others, item, items, value: values } = partsOf(inner);
  const name = String(key);
  const next = entries ? (Object.hasOwn(entries, name) ? entries[name] : others) : (items?.[Number(key)] ?? item ?? others ?? values);
  return next && schemaAt(next, rest, below);
}

/** Of a variant the option whose discriminator fits; any other schema is itself. */
function choose(schema: v.GenericSchema, value: unknown): v.GenericSchema | undefined {
  const { type, key } = partsOf(schema);
  if (type !== "variant" || typeof key !== "string") return schema;
  for (const option of optionsOf(schema)) {
    const inner = innerSchema(option, value);
    if (partsOf(inner).type === "variant") {
      const chosen = choose(inner, value);
      if (chosen) return chosen;
      continue;
    }
    const discriminator = partsOf(inner).entries?.[key];
    const given: unknown = typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
    if (discriminator && v.safeParse(discriminator, given).success) return inner;
  }
  return undefined;
}

/** One issue with the way to it from where validation began, and the schema below which it arose. */
export interface FlatIssue {
  readonly issue: v.BaseIssue<unknown>;
  readonly keys: readonly PropertyKey[];
  /** The schema of the value that holds the key at the end of `keys`; undefined when that cannot be told. */
  readonly parent: v.GenericSchema | undefined;
  /** Whether the issue is about the key itself: it is missing, unknown or malformed. */
  readonly aboutKey: boolean;
}

/**
 * Lists the issues of a validation. Where no option of a union fits, those of the option that comes closest are listed instead,
 * so that a mistake deep in one shape is not reported as "none of the shapes".
 */
export function flattenIssues(schema: v.GenericSchema, value: unknown, issues: readonly v.BaseIssue<unknown>[]): readonly FlatIssue[] {
  return issues.flatMap((issue): FlatIssue | readonly FlatIssue[] => {
    const keys = (issue.path ?? []).map((item) => item.key as PropertyKey);
    if (issue.kind === "schema" && issue.type === "union") {
      const union = schemaAt(schema, keys, value);
      const within = keys.reduce<unknown>((at, key) => (typeof at === "object" && at !== null ? Reflect.get(at, key) : undefined), value);
      const closest = union && closestOption(union, within);
      if (closest) return closest.map((flat) => ({ ...flat, keys: [...keys, ...flat.keys] }));
    }
    return { issue, keys, parent: keys.length > 0 ? schemaAt(schema, keys.slice(0, -1), value) : undefined, aboutKey: issue.path?.at(-1)?.origin === "key" };
  });
}

function closestOption(union: v.GenericSchema, value: unknown): readonly FlatIssue[] | undefined {
  let best: readonly FlatIssue[] | undefined;
  for (const option of optionsOf(union)) {
    const result = v.safeParse(option, value);
    if (result.success) continue;
    const flat = flattenIssues(option, value, result.issues);
    const ofAnotherType = flat.some(({ issue, keys }) => keys.length === 0 && issue.kind === "schema");
    if (!ofAnotherType && (best === undefined || flat.length < best.length)) best = flat;
  }
  return best;
}
