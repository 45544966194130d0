import { ScalarType, type DescEnum, type DescField, type DescMessage } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import * as runtime from "./wire-runtime.ts";
import type { BinaryReader } from "./wire-runtime.ts";

/** A decoder for `bytes[reader.pos..end)`, where `reader` is one on `bytes`. `depth`: how deep messages may still nest. Throws plain Errors. */
export type Decoder = (reader: BinaryReader, bytes: Uint8Array, end: number, depth: number, merge: undefined) => Record<string, unknown>;

const varint = 0;
const bit64 = 1;
const delimited = 2;
const bit32 = 5;

/** The wire type of each scalar (protobuf.dev/programming-guides/encoding). */
export const scalarWireTypes: Readonly<Record<ScalarType, number>> = {
  [ScalarType.DOUBLE]: bit64, [ScalarType.FLOAT]: bit32, [ScalarType.INT64]: varint, [ScalarType.UINT64]: varint, [ScalarType.INT32]: varint,
  [ScalarType.FIXED64]: bit64, [ScalarType.FIXED32]: bit32, [ScalarType.BOOL]: varint, [ScalarType.STRING]: delimited, [ScalarType.BYTES]: delimited,
  [ScalarType.UINT32]: varint, [ScalarType.SFIXED32]: bit32, [ScalarType.SFIXED64]: bit64, [ScalarType.SINT32]: varint, [ScalarType.SINT64]: varint,
};

/** A name from a descriptor as source text: quoted, so that no name can be code. */
export const quote = (name: string): string => JSON.stringify(name).replace(/\u2028/g, "\\u2028").replace(/\u2029/g, "\\u2029");

/** A name as the key of an object literal, where only a computed `__proto__` is a property like any other (ECMA-262 §13.2.5.5). */
const propertyKey = (name: string): string => (name === "__proto__" ? `[${quote(name)}]` : quote(name));

/** The tag of a field on the wire. */
export const tagOf = (number: number, wireType: number): number => ((number << 3) | wireType) >>> 0;

/** Whether an unset field reads as its zero value instead of being absent. */
export const isImplicit = (field: DescField): boolean => field.presence === FeatureSet_FieldPresence.IMPLICIT;

/** Fields of the same oneof, other than this one. */
export const rivals = (field: DescField): readonly DescField[] => (field.oneof === undefined ? [] : field.oneof.fields.filter((other) => other !== field));

/**
 * Compiles a decoder: one function per message type, a `switch` over tags, no look-up of a field by reflection. Names appear in the source only as quoted strings.
 * `json`: values that JSON.stringify takes as they are (see CompileOptions).
 * @throws {TypeError} for a field encoded as a group.
 */
export function compileDecoder(desc: DescMessage, json: boolean): Decoder {
  const numbers = new Map<DescMessage, number>([[desc, 0]]);
  const enums: Record<number, string>[] = [];
  const enumNumbers = new Map<DescEnum, number>();
  const functions: string[] = [];

  const messageName = (message: DescMessage): string => {
    if (!numbers.has(message)) numbers.set(message, numbers.size);
    return `d${numbers.get(message)}`;
  };
  const enumNames = (one: DescEnum): string => {
    if (!enumNumbers.has(one)) {
      enumNumbers.set(one, enums.length);
      enums.push(Object.fromEntries([...one.values].reverse().map((value) => [value.number, value.name]))); // of several names for a number the first counts
    }
    return `names[${enumNumbers.get(one)}]`;
  };

  const readScalar = (type: ScalarType): string => {
    switch (type) {
      case ScalarType.STRING: return "readText(r, b, end)";
      case ScalarType.BYTES: return json ? "jsonBytes(readBytes(r, b, end))" : "readBytes(r, b, end)";
      case ScalarType.BOOL: return "r.bool()";
      case ScalarType.INT32: return "((x = b[r.pos]) < 128 ? (r.pos++, x) : r.int32())";
      case ScalarType.UINT32: return "((x = b[r.pos]) < 128 ? (r.pos++, x) : r.uint32())";
      case ScalarType.SINT32: return "r.sint32()";
      case ScalarType.FIXED32: return "r.fixed32()";
      case ScalarType.SFIXED32: return "r.sfixed32()";
      case ScalarType.INT64: return "readInt64(r, b)";
      case ScalarType.UINT64: return "readUint64(r, b)";
      case ScalarType.SINT64: return "readSint64(r)";
      case ScalarType.FIXED64: return "readFixed64(r)";
      case ScalarType.SFIXED64: return "readSfixed64(r)";
      case ScalarType.FLOAT: return json ? "jsonFloat(r.float())" : "r.float()";
      case ScalarType.DOUBLE: return json ? "jsonDouble(r.double())" : "r.double()";
    }
  };
  const zeroScalar = (type: ScalarType): string =>
    type === ScalarType.STRING ? '""' : type === ScalarType.BOOL ? "false" : type === ScalarType.BYTES ? (json ? '{ $base64: "" }' : "new Uint8Array(0)") : "0";
  const readEnum = (one: DescEnum): string => (json ? `enumName(r.int32(), ${enumNames(one)})` : "r.int32()");
  const zeroEnum = (one: DescEnum): string => (json ? `enumName(${one.values[0]!.number}, ${enumNames(one)})` : String(one.values[0]!.number));
  // A message within: `end` has the end of the outer one, so the inner end is read first.
  const readMessage = (message: DescMessage, merge: string): string => `${messageName(message)}(r, b, enter(r, end), depth - 1, ${merge})`;
  const ifKnown = (one: DescEnum, store: (value: string) => string): string =>
    one.open ? store(readEnum(one)) : `{ const n = known(r.int32(), ${enumNames(one)}); if (n !== undefined) { ${store(json ? `enumName(n, ${enumNames(one)})` : "n")} } }`;

  const initial = (field: DescField): string => {
    if (field.fieldKind === "list") return "[]";
    if (field.fieldKind === "map") return "Object.create(null)";
    if (!isImplicit(field) || field.oneof !== undefined || field.fieldKind === "message") return "undefined";
    return field.fieldKind === "enum" ? zeroEnum(field.enum) : zeroScalar(field.scalar);
  };

  const cases = (field: DescField): string => {
    const own = `m[${quote(field.name)}]`;
    const clear = rivals(field).map((other) => `m[${quote(other.name)}] = undefined;`).join(" ");
    switch (field.fieldKind) {
      case "scalar": return `case ${tagOf(field.number, scalarWireTypes[field.scalar])}: ${own} = ${readScalar(field.scalar)}; ${clear} break;`;
      case "enum": return `case ${tagOf(field.number, varint)}: ${ifKnown(field.enum, (value) => `${own} = ${value}; ${clear}`)} break;`;
      case "message":
        refuseGroup(field, field.delimitedEncoding);
        return `case ${tagOf(field.number, delimited)}: ${own} = ${readMessage(field.message, own)}; ${clear} break;`;
      case "list": {
        if (field.listKind === "message") {
          refuseGroup(field, field.delimitedEncoding);
          return `case ${tagOf(field.number, delimited)}: ${own}.push(${readMessage(field.message, "undefined")}); break;`;
        }
        const add = field.listKind === "enum" ? ifKnown(field.enum, (value) => `${own}.push(${value});`) : `${own}.push(${readScalar(field.scalar)});`;
        const wireType = field.listKind === "enum" ? varint : scalarWireTypes[field.scalar];
        const single = `case ${tagOf(field.number, wireType)}: ${add} break;`;
        if (wireType === delimited) return single;
        return `${single}\ncase ${tagOf(field.number, delimited)}: { const stop = enter(r, end); while (r.pos < stop) { ${add} } if (r.pos !== stop) overrun(); break; }`;
      }
      case "map": {
        const valueType = field.mapKind === "scalar" ? scalarWireTypes[field.scalar] : field.mapKind === "enum" ? varint : delimited;
        const store = (value: string): string => `v = ${value};`;
        const read = field.mapKind === "scalar" ? store(readScalar(field.scalar)) : field.mapKind === "enum" ? ifKnown(field.enum, store) : store(readMessage(field.message, "v"));
        const zero = field.mapKind === "scalar" ? zeroScalar(field.scalar) : field.mapKind === "enum" ? zeroEnum(field.enum) : `${messageName(field.message)}(r, b, r.pos, depth - 1, undefined)`;
        return `case ${tagOf(field.number, delimited)}: {
  const outer = end; end = enter(r, end); let k = ${zeroScalar(field.mapKey)}, v;
  while (r.pos < end) {
    if ((t = b[r.pos]) < 128) r.pos++; else t = readTag(r, b);
    switch (t) {
      case ${tagOf(1, scalarWireTypes[field.mapKey])}: k = ${readScalar(field.mapKey)}; break;
      case ${tagOf(2, valueType)}: ${read} break;
      default: skip(r, t, depth);
    }
  }
  if (r.pos !== end) overrun();
  ${own}[k] = v === undefined ? ${zero} : v; end = outer; break;
}`;
      }
    }
  };

  messageName(desc);
  for (const [message, number] of numbers) { // grows as messages refer to further ones
    functions.push(`function d${number}(r, b, end, depth, m) {
if (depth < 0) tooDeep();
let t, x;
if (m === undefined) m = { ${message.fields.map((field) => `${propertyKey(field.name)}: ${initial(field)}`).join(", ")} };
while (r.pos < end) {
if ((t = b[r.pos]) < 128) r.pos++; else t = readTag(r, b);
switch (t) {
${message.fields.map(cases).join("\n")}
default: skip(r, t, depth);
}
}
if (r.pos !== end) overrun();
return m;
}`);
  }
  return new Function("$", "names", `"use strict";\nconst { ${Object.keys(runtime).join(", ")} } = $;\n${functions.join("\n")}\nreturn d0;`)(runtime, enums) as Decoder;
}

/** @throws {TypeError} when the field is written between group tags, which proto3 never has. */
export function refuseGroup(field: DescField, isGroup: boolean): void {
  if (isGroup) throw new TypeError(`Cannot compile ${field.parent.typeName}: its field "${field.name}" is encoded as a group`);
}
