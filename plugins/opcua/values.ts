import { DataType, ExtensionObject, LocalizedText, NodeId, QualifiedName, StatusCode, Variant, VariantArrayType } from "node-opcua-client";
import { formatNodeId, formatStep } from "./node-id.ts";

/** What a value is written with. */
export interface ValueContext {
  /** Namespace URIs by index, for node ids within values. */
  readonly namespaces?: readonly string[] | undefined;
  /** Names of the values of an enumeration: a value is written as its name, one without a name as its number. */
  readonly enumeration?: ReadonlyMap<number, string> | undefined;
  /** How many levels of structures and variants this value lies within. Default 0. */
  readonly level?: number;
}

/** Levels of structures and variants, and dimensions of a matrix: together below what a payload may be nested (`maxPayloadDepth` of core). */
const maxLevels = 24;
const maxDimensions = 16;

/** A field of a structure as the client library describes it. */
export interface StructureField {
  readonly name: string;
  readonly originalName?: string;
  readonly fieldType: string;
  readonly isArray?: boolean;
  readonly category: string;
  readonly basicDataType?: number;
  /** Of an optional field: its bit in the mask of those that are there. */
  readonly switchBit?: number | undefined;
  /** Of a union's field: the number that says that it is the one. */
  readonly switchValue?: number | undefined;
  readonly schema?: StructureSchema & { readonly typedEnum?: { get(value: number | string): { readonly key: string; readonly value: number } | null } };
}

/** A structure as the client library describes it, from the server's data type definition. */
export interface StructureSchema {
  readonly name: string;
  readonly fields: readonly StructureField[];
  getBaseSchema?(): StructureSchema | null;
}

/** The moment that a DateTime of 0 stands for: none (OPC 10000-6 §5.2.2.5). */
const noTime = Date.UTC(1601, 0, 1);

/**
 * A value as JSON: numbers, booleans and text as they are; 64-bit integers beyond 2^53 as decimal text; a number that is none as `"NaN"`, `"Infinity"` or `"-Infinity"` (OPC 10000-6 §5.4.2.4);
 * DateTime as ISO text; ByteString as `{"$base64"}`; LocalizedText as its text; NodeId and QualifiedName as text; StatusCode by name; arrays and matrices as arrays;
 * structures as objects with the server's field names, without optional fields that are absent, unions as an object with their one field; a structure of unknown type as `{"$type", "$base64"}`; what lies too deep within others as `"…"`. Null where there is none.
 * The result is the caller's.
 */
export function toJson(variant: Variant, context: ValueContext = {}): unknown {
  const { dataType, arrayType, value, dimensions } = variant;
  if (arrayType === VariantArrayType.Scalar || value === null || value === undefined) return elementJson(value, dataType, context);
  const flat = Array.from(value as Iterable<unknown>, (element) => elementJson(element, dataType, context));
  const shaped = arrayType === VariantArrayType.Matrix && dimensions && flat.length > 0 && dimensions.length <= maxDimensions;
  return shaped ? nest(flat, dimensions) : flat;
}

function elementJson(value: unknown, dataType: DataType, context: ValueContext): unknown {
  switch (dataType) {
    case DataType.Int32: {
      return typeof value === "number" ? (context.enumeration?.get(value) ?? value) : null;
    }
    case DataType.Double:
    case DataType.Float:
      return numberJson(value);
    case DataType.Int64:
      return int64Json(value, true);
    case DataType.UInt64:
      return int64Json(value, false);
    case DataType.Byte:
    case DataType.UInt16:
    case DataType.UInt32:
      return typeof value === "number" ? (context.enumeration?.get(value) ?? value) : null; // MultiStateDiscrete has an unsigned value and named states
    default:
      return plainJson(value, context);
  }
}

/** By what it is, for all types whose values tell it. */
function plainJson(value: unknown, context: ValueContext): unknown {
  if (value === null || value === undefined) return null;
  if (typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number") return numberJson(value);
  if (value instanceof Date) return Number.isNaN(value.getTime()) || value.getTime() <= noTime ? null : value.toISOString();
  if (value instanceof Uint8Array) return { $base64: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64") };
  if (value instanceof LocalizedText) return value.text ?? null;
  if (value instanceof NodeId) return formatNodeId(value, context.namespaces);
  if (value instanceof QualifiedName) return value.name === null ? null : formatStep({ namespace: value.namespaceIndex, name: value.name }, context.namespaces);
  if (value instanceof StatusCode) return value.name;
  const { namespaces, level = 0 } = context;
  if (value instanceof Variant) return level >= maxLevels ? "…" : toJson(value, { namespaces, level: level + 1 });
  if (isStructure(value)) return level >= maxLevels ? "…" : structureJson(value, { namespaces, level: level + 1 });
  return String(value);
}

/** Unions are no ExtensionObject to the library, so it is the schema that tells. */
function isStructure(value: unknown): value is { readonly schema: unknown } {
  return value instanceof ExtensionObject || Array.isArray((value as { readonly schema?: { readonly fields?: unknown } }).schema?.fields);
}

function structureJson(value: { readonly schema: unknown }, context: ValueContext): unknown {
  const opaque = value as unknown as { readonly nodeId?: unknown; readonly buffer?: unknown };
  if (opaque.nodeId instanceof NodeId && opaque.buffer instanceof Uint8Array) return { $type: formatNodeId(opaque.nodeId, context.namespaces), $base64: Buffer.from(opaque.buffer).toString("base64") };
  const json: Record<string, unknown> = {};
  for (const field of fieldsOf(value.schema as StructureSchema)) {
    const content = (value as unknown as Record<string, unknown>)[field.name];
    if ((content === undefined || content === null) && (field.switchBit !== undefined || field.switchValue !== undefined)) continue;
    json[field.originalName ?? field.name] = fieldJson(field, content, context);
  }
  return json;
}

/** The fields of a structure, those of its supertypes first. That of a union which says which of the others is there is none of them. */
export function fieldsOf(schema: StructureSchema): readonly StructureField[] {
  const base = schema.getBaseSchema?.();
  const own = schema.fields.some(({ switchValue }) => switchValue !== undefined) ? schema.fields.filter(({ name }) => name !== "switchField") : schema.fields;
  return base === null || base === undefined ? own : [...fieldsOf(base), ...own];
}

function fieldJson(field: StructureField, content: unknown, context: ValueContext): unknown {
  const one = (element: unknown): unknown => {
    if (field.category === "enumeration" && typeof element === "number") return field.schema?.typedEnum?.get(element)?.key ?? element;
    if (isInt64(element)) return int64Json(element, field.basicDataType === DataType.Int64 || field.fieldType === "Int64");
    return plainJson(element, context);
  };
  if (!field.isArray) return one(content);
  return content === null || content === undefined ? null : Array.from(content as Iterable<unknown>, one);
}

const isInt64 = (value: unknown): value is readonly [number, number] => Array.isArray(value) && value.length === 2 && typeof value[0] === "number";

function numberJson(value: unknown): unknown {
  return typeof value !== "number" ? null : Number.isFinite(value) ? value : String(value);
}

/** The library holds 64-bit integers as their high and low half. */
function int64Json(value: unknown, signed: boolean): unknown {
  if (!isInt64(value)) return null;
  const bits = (BigInt(value[0] >>> 0) << 32n) | BigInt(value[1] >>> 0);
  const big = signed ? BigInt.asIntN(64, bits) : bits;
  const number = Number(big);
  return Number.isSafeInteger(number) ? number : String(big);
}

/** A matrix is flat, the last dimension varying fastest (OPC 10000-6 §5.2.2.16). */
function nest(flat: readonly unknown[], dimensions: readonly number[]): unknown {
  const [, ...inner] = dimensions;
  if (inner.length === 0) return flat;
  const size = inner.reduce((product, length) => product * length, 1);
  return Array.from({ length: dimensions[0]! }, (_, at) => nest(flat.slice(at * size, (at + 1) * size), inner));
}
