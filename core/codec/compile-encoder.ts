import { ScalarType, type DescEnum, type DescField, type DescMessage } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import { isImplicit, quote, refuseGroup, rivals, scalarWireTypes, tagOf } from "./compile-decoder.ts";
import * as runtime from "./wire-runtime.ts";
import type { BinaryWriter } from "./wire-runtime.ts";

/** Writes a value to `writer`. Throws plain Errors, and leaves the writer in no defined state then. */
export type Encoder = (writer: BinaryWriter, value: unknown, depth: number) => void;

const writerMethods: Readonly<Record<ScalarType, string>> = {
  [ScalarType.DOUBLE]: "double", [ScalarType.FLOAT]: "float", [ScalarType.INT64]: "int64", [ScalarType.UINT64]: "uint64", [ScalarType.INT32]: "int32",
  [ScalarType.FIXED64]: "fixed64", [ScalarType.FIXED32]: "fixed32", [ScalarType.BOOL]: "bool", [ScalarType.STRING]: "string", [ScalarType.BYTES]: "bytes",
  [ScalarType.UINT32]: "uint32", [ScalarType.SFIXED32]: "sfixed32", [ScalarType.SFIXED64]: "sfixed64", [ScalarType.SINT32]: "sint32", [ScalarType.SINT64]: "sint64",
};

const longs: ReadonlySet<ScalarType> = new Set([ScalarType.INT64, ScalarType.UINT64, ScalarType.SINT64, ScalarType.FIXED64, ScalarType.SFIXED64]);

/** A property of the value itself: an object without a field called `constructor` has no value for it. */
const own = ({ name }: DescField): string => (name in Object.prototype ? `(Object.hasOwn(m, ${quote(name)}) ? m[${quote(name)}] : undefined)` : `m[${quote(name)}]`);

/**
 * Compiles an encoder: one function per message type, which writes fields in order of their numbers, as protobuf's own encoders do. Null and undefined are absent.
 * `strict`: refuse property names that are no field.
 * @throws {TypeError} for a field encoded as a group.
 */
export function compileEncoder(desc: DescMessage, strict: boolean): Encoder {
  const numbers = new Map<DescMessage, number>([[desc, 0]]);
  const enums: ReadonlyMap<string, number>[] = [];
  const enumNumbers = new Map<DescEnum, number>();
  const fieldNames: ReadonlySet<string>[] = [];
  const functions: string[] = [];

  const messageName = (message: DescMessage): string => {
    if (!numbers.has(message)) numbers.set(message, numbers.size);
    return `e${numbers.get(message)}`;
  };
  const enumValues = (one: DescEnum): string => {
    if (!enumNumbers.has(one)) {
      enumNumbers.set(one, enums.length);
      enums.push(new Map(one.values.map((value) => [value.name, value.number])));
    }
    return `enums[${enumNumbers.get(one)}]`;
  };

  const check = (type: ScalarType, value: string, name: string): string => {
    switch (type) {
      case ScalarType.STRING: return `checkText(${value}, ${name})`;
      case ScalarType.BYTES: return `checkBytes(${value}, ${name})`;
      case ScalarType.BOOL: return `checkBoolean(${value}, ${name})`;
      default: return `${longs.has(type) ? "checkLong" : "checkNumber"}(${value}, ${name})`;
    }
  };
  const isZero = (type: ScalarType): string => (type === ScalarType.BYTES ? "v.length === 0" : type === ScalarType.STRING ? 'v === ""' : type === ScalarType.BOOL ? "v === false" : "v == 0");
  const messageBody = (message: DescMessage, value: string): string => `w.fork(); ${messageName(message)}(w, ${value}, depth - 1); w.join();`;

  const write = (field: DescField): string => {
    const name = quote(field.name);
    const start = `v = ${own(field)}; if (v !== undefined && v !== null)`;
    const alone = rivals(field).length === 0 ? "" : `if (${rivals(field).map((other) => `present(${own(other)})`).join(" || ")}) manyOf(${quote(field.oneof!.name)});`;
    const required = field.presence === FeatureSet_FieldPresence.LEGACY_REQUIRED ? ` else missing(${name});` : "";
    const tag = (wireType: number): string => `w.uint32(${tagOf(field.number, wireType)});`;
    switch (field.fieldKind) {
      case "scalar": {
        const put = `${tag(scalarWireTypes[field.scalar])} w.${writerMethods[field.scalar]}(v);`;
        return `${start} { v = ${check(field.scalar, "v", name)}; ${alone} ${isImplicit(field) && field.oneof === undefined ? `if (!(${isZero(field.scalar)})) { ${put} }` : put} }${required}`;
      }
      case "enum": {
        const put = `${tag(0)} w.int32(v);`;
        return `${start} { v = checkEnum(v, ${name}, ${enumValues(field.enum)}); ${alone} ${isImplicit(field) && field.oneof === undefined ? `if (v !== 0) { ${put} }` : put} }${required}`;
      }
      case "message":
        refuseGroup(field, field.delimitedEncoding);
        return `${start} { ${alone} ${tag(2)} ${messageBody(field.message, `checkObject(v, ${name})`)} }${required}`;
      case "list": {
        const each = (body: string): string => `for (let i = 0; i < v.length; i++) { ${body} }`;
        const list = `${start} { v = checkList(v, ${name});`;
        if (field.listKind === "message") {
          refuseGroup(field, field.delimitedEncoding);
          return `${list} ${each(`${tag(2)} ${messageBody(field.message, `checkObject(v[i], ${name})`)}`)} }`;
        }
        const put = field.listKind === "enum" ? `w.int32(checkEnum(v[i], ${name}, ${enumValues(field.enum)}));` : `w.${writerMethods[field.scalar]}(${check(field.scalar, "v[i]", name)});`;
        if (field.packed) return `${list} if (v.length > 0) { ${tag(2)} w.fork(); ${each(put)} w.join(); } }`;
        return `${list} ${each(`${tag(field.listKind === "enum" ? 0 : scalarWireTypes[field.scalar])} ${put}`)} }`;
      }
      case "map": {
        const keyValue = check(field.mapKey, field.mapKey === ScalarType.STRING ? "k" : longs.has(field.mapKey) ? "k" : field.mapKey === ScalarType.BOOL ? "(k === \"true\" || (k === \"false\" ? false : k))" : "Number(k)", name); // property names are text
        const value =
          field.mapKind === "scalar" ? `w.uint32(${tagOf(2, scalarWireTypes[field.scalar])}); w.${writerMethods[field.scalar]}(${check(field.scalar, "v[k]", name)});`
          : field.mapKind === "enum" ? `w.uint32(${tagOf(2, 0)}); w.int32(checkEnum(v[k], ${name}, ${enumValues(field.enum)}));`
          : `w.uint32(${tagOf(2, 2)}); ${messageBody(field.message, `checkObject(v[k], ${name})`)}`;
        return `${start} { v = checkObject(v, ${name}); for (const k of Object.keys(v)) { ${tag(2)} w.fork(); w.uint32(${tagOf(1, scalarWireTypes[field.mapKey])}); w.${writerMethods[field.mapKey]}(${keyValue}); ${value} w.join(); } }`;
      }
    }
  };

  messageName(desc);
  for (const [message, number] of numbers) { // grows as messages refer to further ones
    fieldNames.push(new Set(message.fields.map((field) => field.name)));
    const fields = [...message.fields].sort((a, b) => a.number - b.number);
    functions.push(`function e${number}(w, m, depth) {
if (depth < 0) tooDeep();
let v;
${strict ? `checkNames(m, fields[${number}]);` : ""}
${fields.map(write).join("\n")}
}`);
  }
  return new Function("$", "enums", "fields", `"use strict";\nconst { ${Object.keys(runtime).join(", ")} } = $;\n${functions.join("\n")}\nreturn (w, m, depth) => e0(w, checkObject(m, "value"), depth);`)(runtime, enums, fieldNames) as Encoder;
}
