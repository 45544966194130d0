import { type ClientSession, DataType, getExtensionObjectConstructor, LocalizedText, NodeId, QualifiedName, StatusCodes, Variant, VariantArrayType, type VariantOptions } from "node-opcua-client";
import { CommandError } from "./command-error.ts";
import { nodeIdOf } from "./node-id-of.ts";
import { parseNodeAddress } from "./node-id.ts";
import { fieldsOf, type StructureField, type StructureSchema } from "./values.ts";
import type { VariableInfo } from "./variable.ts";

/** What a value must be. A VariableInfo is one, and so is an argument of a method. */
export type ValueType = Pick<VariableInfo, "dataType" | "valueRank" | "arrayDimensions" | "range" | "enumeration">;

/** How a value is read. */
export interface InputOptions {
  readonly session: ClientSession;
  readonly namespaces: readonly string[];
  /** What the value is for, as the sender knows it, such as `tag "speed"`; begins every message. */
  readonly what: string;
  /** The value that is there, which tells the type where the server states none that can be written, such as Number. */
  readonly present?: Variant | undefined;
}

/** The constructor that the client library makes of a server's structure. */
type Structure = (new (fields: Record<string, unknown>) => object) & { readonly schema: StructureSchema };

/** Where in the value we are, for messages and for node ids. */
interface Place {
  readonly at: string;
  readonly namespaces: readonly string[];
}

const integers: ReadonlyMap<DataType, readonly [low: bigint, high: bigint]> = new Map([
  [DataType.SByte, [-128n, 127n]],
  [DataType.Byte, [0n, 255n]],
  [DataType.Int16, [-32_768n, 32_767n]],
  [DataType.UInt16, [0n, 65_535n]],
  [DataType.Int32, [-2_147_483_648n, 2_147_483_647n]],
  [DataType.UInt32, [0n, 4_294_967_295n]],
  [DataType.Int64, [-(2n ** 63n), 2n ** 63n - 1n]],
  [DataType.UInt64, [0n, 2n ** 64n - 1n]],
]);
const notNumbers: Readonly<Record<string, number>> = { NaN: Number.NaN, Infinity: Number.POSITIVE_INFINITY, "-Infinity": Number.NEGATIVE_INFINITY };
const largestFloat = 3.4028234663852886e38;
/** Field types of structures in namespace 0 that are other names of built-in ones. */
const aliases: Readonly<Record<string, DataType>> = { Duration: DataType.Double, UtcTime: DataType.DateTime, LocaleId: DataType.String, Counter: DataType.UInt32, CharArray: DataType.String };

/**
 * Makes of JSON, in the form that `toJson` writes, a value of a type: also a number of an enumeration by its name, a DateTime as ms since the Unix epoch, a LocalizedText as `{"locale","text"}`, a structure as an object with all of its fields but the optional ones.
 * @throws {CommandError} WRONG_TYPE, or OUT_OF_RANGE when a number lies beyond its type or EURange, or an array is too long. The message says where in the value.
 */
export async function fromJson(value: unknown, type: ValueType, { session, namespaces, what, present }: InputOptions): Promise<Variant> {
  const place = { at: what, namespaces };
  const builtIn = concreteType(value, type, present);
  const lengths = lengthsOf(value, type, place);
  const structure = builtIn === DataType.ExtensionObject ? await structureOf(session, type.dataType.nodeId, place) : undefined;
  const element = (one: unknown, at: string): unknown => {
    const made = elementOf(one, { builtIn, enumeration: type.enumeration, structure }, { ...place, at });
    checkRange(made, type.range, at);
    return made;
  };
  if (lengths.length === 0) return new Variant({ dataType: builtIn, arrayType: VariantArrayType.Scalar, value: element(value, what) });
  const flat = flatten(value, lengths.length, what).map(([one, at]) => element(one, at));
  const options: VariantOptions = { dataType: builtIn, arrayType: lengths.length === 1 ? VariantArrayType.Array : VariantArrayType.Matrix, value: flat };
  return new Variant(lengths.length === 1 ? options : { ...options, dimensions: [...lengths] });
}

/** The built-in type that is written: for an abstract one that of the value that is there, else what the JSON suggests. */
function concreteType(value: unknown, { dataType }: ValueType, present: Variant | undefined): DataType {
  if (dataType.builtIn !== DataType.Variant && dataType.builtIn !== DataType.Null) return dataType.builtIn;
  if (present !== undefined && present.dataType !== DataType.Null && present.dataType !== DataType.Variant) return present.dataType;
  const first: unknown = Array.isArray(value) ? value.flat(Number.POSITIVE_INFINITY)[0] : value;
  return typeof first === "boolean" ? DataType.Boolean : typeof first === "number" ? DataType.Double : DataType.String;
}

/** The length of each dimension; none for a scalar. Holds them against the type's ValueRank and ArrayDimensions (OPC 10000-3 §5.6.2). */
function lengthsOf(value: unknown, { valueRank, arrayDimensions }: ValueType, { at }: Place): readonly number[] {
  const lengths: number[] = [];
  for (let one = value; Array.isArray(one); one = one[0]) lengths.push(one.length);
  const depth = lengths.length;
  const fits = valueRank === -2 || (valueRank === -3 && depth <= 1) || (valueRank === -1 && depth === 0) || (valueRank === 0 && depth >= 1) || (valueRank >= 1 && depth === valueRank);
  if (!fits) throw new CommandError("WRONG_TYPE", `Cannot write ${at}: expected ${rankText(valueRank)}, got ${depth === 0 ? "one value" : rankText(depth)}`);
  for (const [dimension, most] of arrayDimensions.entries()) {
    const length = lengths[dimension];
    if (most > 0 && length !== undefined && length > most) throw new CommandError("OUT_OF_RANGE", `Cannot write ${at}: ${length} elements${depth > 1 ? ` in dimension ${dimension + 1}` : ""}, at most ${most}`);
  }
  return lengths;
}

const rankText = (rank: number): string => (rank === -1 ? "one value" : rank === -3 ? "one value or an array" : rank === 0 ? "an array" : rank === 1 ? "an array of values" : `arrays nested ${rank} deep`);

/** The elements in order, the last dimension fastest, each with where it is. */
function flatten(value: unknown, depth: number, at: string): (readonly [unknown, string])[] {
  if (depth === 0) return [[value, at]];
  if (!Array.isArray(value)) throw new CommandError("WRONG_TYPE", `Cannot write ${at}: expected an array`);
  const width = depth > 1 ? (value[0] as unknown[]).length : 0;
  return value.flatMap((one: unknown, index) => {
    if (depth > 1 && (!Array.isArray(one) || one.length !== width)) throw new CommandError("WRONG_TYPE", `Cannot write ${at}[${index}]: rows of a matrix are arrays of the same length, here ${width}`);
    return flatten(one, depth - 1, `${at}[${index}]`);
  });
}

/** What an element must be. */
interface ElementType {
  readonly builtIn: DataType;
  readonly enumeration?: ReadonlyMap<number, string> | undefined;
  readonly structure?: Structure | undefined;
}

function elementOf(value: unknown, { builtIn, enumeration, structure }: ElementType, place: Place): unknown {
  const wrong = (expected: string): CommandError => new CommandError("WRONG_TYPE", `Cannot write ${place.at}: expected ${expected}, got ${(JSON.stringify(value) ?? "nothing").slice(0, 100)}`);
  const range = integers.get(builtIn);
  if (range !== undefined) {
    const number = enumeration === undefined || (typeof value !== "string" && enumeration.has(value as number)) ? value : numberOfName(value, enumeration, wrong);
    return integerOf(number, builtIn, { range, wrong, at: place.at });
  }
  switch (builtIn) {
    case DataType.Boolean:
      if (typeof value !== "boolean") throw wrong("true or false");
      return value;
    case DataType.Float:
    case DataType.Double: {
      const number = typeof value === "string" ? notNumbers[value] : value;
      if (typeof number !== "number") throw wrong("a number");
      if (builtIn === DataType.Float && Number.isFinite(number) && Math.abs(number) > largestFloat) throw new CommandError("OUT_OF_RANGE", `Cannot write ${place.at}: ${number} is beyond a Float`);
      return number;
    }
    case DataType.String:
    case DataType.XmlElement:
      if (typeof value !== "string") throw wrong("a text");
      return value;
    case DataType.DateTime: {
      const time = typeof value === "number" ? value : typeof value === "string" && /^\d{4}-\d\d-\d\dT/.test(value) ? Date.parse(value) : Number.NaN;
      if (Number.isNaN(new Date(time).getTime())) throw wrong("a moment such as 2026-01-02T03:04:05.678Z");
      return new Date(time);
    }
    case DataType.Guid:
      if (typeof value !== "string" || !/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(value)) throw wrong("a GUID");
      return value;
    case DataType.ByteString: {
      const text = (value as { readonly $base64?: unknown } | null)?.$base64;
      if (typeof text !== "string") throw wrong('bytes as {"$base64":"…"}');
      return Buffer.from(text, "base64");
    }
    case DataType.NodeId:
    case DataType.ExpandedNodeId: {
      const nodeId = nodeIdIn(value, place.namespaces);
      if (nodeId === undefined) throw wrong("a node id such as ns=2;s=name, of a namespace of the server");
      return nodeId;
    }
    case DataType.QualifiedName: {
      const name = qualifiedNameIn(value, place.namespaces);
      if (name === undefined) throw wrong("a name such as 2:press-1, of a namespace of the server");
      return name;
    }
    case DataType.LocalizedText: {
      const { text, locale } = (typeof value === "string" ? { text: value } : (value ?? {})) as { readonly text?: unknown; readonly locale?: unknown };
      if (typeof text !== "string" || (locale !== undefined && locale !== null && typeof locale !== "string")) throw wrong('a text, or {"locale":"en","text":"…"}');
      return new LocalizedText(typeof locale === "string" ? { locale, text } : { text });
    }
    case DataType.StatusCode: {
      const status = typeof value === "string" ? (StatusCodes as unknown as Readonly<Record<string, unknown>>)[value] : undefined;
      if (status === undefined) throw wrong("the name of a StatusCode such as BadNoCommunication");
      return status;
    }
    case DataType.ExtensionObject:
      if (structure === undefined) throw wrong("a structure that the server describes");
      return new structure(structureFields(value, structure.schema, place));
    default:
      throw new CommandError("WRONG_TYPE", `Cannot write ${place.at}: values of type ${DataType[builtIn]} cannot be written`);
  }
}

function numberOfName(value: unknown, enumeration: ReadonlyMap<number, string>, wrong: (expected: string) => CommandError): number {
  for (const [number, name] of enumeration) if (name === value) return number;
  throw wrong(`one of ${[...enumeration.values()].slice(0, 20).join(", ")}`);
}

/** A whole number within its type; 64-bit ones as the two halves that the library wants. */
function integerOf(value: unknown, builtIn: DataType, { range: [low, high], wrong, at }: { readonly range: readonly [bigint, bigint]; readonly wrong: (expected: string) => CommandError; readonly at: string }): unknown {
  const wide = builtIn === DataType.Int64 || builtIn === DataType.UInt64;
  const text = wide && typeof value === "string" && /^-?\d{1,20}$/.test(value);
  if (!text && (typeof value !== "number" || !Number.isInteger(value))) throw wrong("a whole number");
  const number = BigInt(value as number | string);
  if (number < low || number > high) throw new CommandError("OUT_OF_RANGE", `Cannot write ${at}: ${number} is not within ${low} to ${high}`);
  if (!wide) return Number(number);
  const bits = BigInt.asUintN(64, number);
  return [Number(bits >> 32n), Number(bits & 0xffff_ffffn)];
}

function checkRange(value: unknown, range: ValueType["range"], at: string): void {
  if (range === undefined || typeof value !== "number") return;
  if (!(value >= range.low && value <= range.high)) throw new CommandError("OUT_OF_RANGE", `Cannot write ${at}: ${value} is not within ${range.low} to ${range.high}`);
}

function nodeIdIn(value: unknown, namespaces: readonly string[]): NodeId | undefined {
  try {
    const address = parseNodeAddress(String(value));
    return address.kind === "id" ? nodeIdOf(address, namespaces) : undefined;
  } catch {
    return undefined; // the caller says what was expected
  }
}

function qualifiedNameIn(value: unknown, namespaces: readonly string[]): QualifiedName | undefined {
  try {
    const address = parseNodeAddress(`/${value}`);
    if (typeof value !== "string" || address.kind !== "path" || address.steps.length !== 1) return undefined;
    const { namespace = 0, name } = address.steps[0]!;
    const namespaceIndex = typeof namespace === "number" ? namespace : namespaces.indexOf(namespace);
    return namespaceIndex < 0 ? undefined : new QualifiedName({ namespaceIndex, name });
  } catch {
    return undefined; // the caller says what was expected
  }
}

async function structureOf(session: ClientSession, nodeId: NodeId, { at }: Place): Promise<Structure> {
  try {
    return (await getExtensionObjectConstructor(session, nodeId)) as unknown as Structure;
  } catch (cause) {
    throw new CommandError("WRONG_TYPE", `Cannot write ${at}: the server does not describe its structure`, { cause });
  }
}

/** The fields as the library's constructor takes them. */
function structureFields(value: unknown, schema: StructureSchema, place: Place): Record<string, unknown> {
  const wrong = (what: string): CommandError => new CommandError("WRONG_TYPE", `Cannot write ${place.at}: ${what}`);
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong(`expected a ${schema.name} as an object`);
  const fields = fieldsOf(schema);
  const given = new Map(Object.entries(value));
  const nameOf = (field: StructureField): string => field.originalName ?? field.name;
  const unknown = [...given.keys()].find((name) => !fields.some((field) => nameOf(field) === name));
  if (unknown !== undefined) throw wrong(`${schema.name} has no field "${unknown.slice(0, 100)}", it has ${fields.map(nameOf).join(", ")}`);
  const union = fields.some(({ switchValue }) => switchValue !== undefined);
  if (union && given.size !== 1) throw wrong(`${schema.name} is a union: exactly one of ${fields.map(nameOf).join(", ")}`);
  return Object.fromEntries(fields.flatMap((field) => {
    const name = nameOf(field);
    if (given.has(name)) return [[field.name, fieldOf(given.get(name), field, { ...place, at: `${place.at}.${name}` })]];
    if (union || field.switchBit !== undefined) return [];
    throw wrong(`${schema.name} needs the field "${name}"`);
  }));
}

function fieldOf(value: unknown, field: StructureField, place: Place): unknown {
  const one = (element: unknown, at: string): unknown => {
    if (field.category === "complex" && field.schema !== undefined) return structureFields(element, field.schema, { ...place, at });
    if (field.category === "enumeration") {
      const found = typeof element === "string" || typeof element === "number" ? field.schema?.typedEnum?.get(element) : undefined;
      if (!found) throw new CommandError("WRONG_TYPE", `Cannot write ${at}: ${JSON.stringify(element)?.slice(0, 100)} is no ${field.fieldType}`);
      return found.value;
    }
    const builtIn = field.basicDataType ?? aliases[field.fieldType] ?? (DataType as unknown as Readonly<Record<string, DataType>>)[field.fieldType.replace(/^UA(?=[A-Z])/, "")];
    return elementOf(element, { builtIn: builtIn ?? DataType.Null }, { ...place, at });
  };
  if (!field.isArray) return one(value, place.at);
  if (!Array.isArray(value)) throw new CommandError("WRONG_TYPE", `Cannot write ${place.at}: expected an array`);
  return value.map((element: unknown, index) => one(element, `${place.at}[${index}]`));
}
