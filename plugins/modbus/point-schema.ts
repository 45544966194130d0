import { field, integer, option } from "@busbar/core";
import * as v from "valibot";
import { parseRegister } from "./address.ts";
import { byteOrders } from "./byte-order.ts";
import { numberTypes } from "./number-format.ts";
import { isBitTable } from "./pdu.ts";

/** A name: of a tag, a group. */
export const name = (max: number) => v.pipe(v.string(), v.minLength(1), v.maxLength(max), v.check((text) => !/^\s|\s$|[\u0000-\u001f\u007f]/.test(text), "must have no blanks at its ends and no control characters"));

const finite = () => v.pipe(v.number(), v.finite());
const pattern = v.union([v.pipe(v.number(), v.integer("must be a whole number")), v.pipe(v.string(), v.regex(/^(?:0x[0-9a-fA-F]{1,16}|-?\d{1,20})$/, 'must be a number, or text such as "0x8000000000000000"'))]);

/** The order of bytes, of a device and of a point. */
export const orderField = v.picklist(byteOrders, "must be abcd, cdab, badc or dcba");

const fields = v.strictObject({
  tag: v.pipe(name(128), v.description("Name of the reading, unique in the device. 1 to 128 characters.")),
  table: option(v.picklist(["coil", "discrete", "holding", "input"], "must be coil, discrete, holding or input"), "The table: coil, discrete (input), holding (register) or input (register). Goes with address; register says both."),
  address: option(integer(0, 65_535), "Address in the table counted from 0, as on the wire. 0 to 65535. Goes with table."),
  register: option(v.union([v.string(), v.number()]), 'Table and address in 40001 notation instead: 40001 or 400001 is holding register 0, 30001 input register 0, 10001 discrete input 0, "00001" (text) coil 0.'),
  type: option(v.picklist(["bool", ...numberTypes, "string"]), "bool, int8, uint8, int16, uint16, int32, uint32, int64, uint64, float16, float32, float64, bcd16, bcd32, bcd64 or string. Default: bool where bit is given and in the tables of bits, else uint16."),
  order: option(orderField, "Order of the bytes on the wire: abcd (big endian), cdab (low register first), badc (bytes swapped), dcba (little endian). Default: the device's."),
  bit: option(integer(0, 15), "Which bit of the register a bool is: 0 (lowest) to 15."),
  byte: option(v.picklist(["high", "low"]), "Which half of the register an int8 or uint8 is. Default low."),
  length: option(integer(1, 246), "Bytes of a string, two in a register. 1 to 246."),
  count: field(integer(1, 2000), 1, "Values of an array, one behind the other; 1 is no array. Default 1, at most what one request takes."),
  scale: field(v.pipe(finite(), v.check((value) => value !== 0, "must not be 0")), 1, "value = number in the device × scale + offset. Default 1."),
  offset: field(finite(), 0, "See scale. Default 0."),
  decimals: option(integer(0, 15), "Digits behind the point that a value is rounded to. Default: not rounded."),
  unit: option(name(32), "Unit of the value, such as °C."),
  limits: option(
    v.pipe(
      v.strictObject({ low: option(finite(), "Least value that makes sense."), high: option(finite(), "Greatest value that makes sense.") }),
      v.check(({ low, high }) => low === undefined || high === undefined || low <= high, "must have low no greater than high"),
    ),
    "What is outside, in the unit of the value, is read as uncertain and not written.",
  ),
  invalid: field(v.pipe(v.array(pattern), v.maxLength(16)), [], 'Numbers by which the device says "no value", before scale and offset, such as 0x8000; read as bad. Default none.'),
  writable: field(v.boolean(), false, "Whether commands may set it (with allowWrites). Coils and holding registers only. Default false."),
  readBack: option(v.boolean(), "Whether a write counts only when the device shows the value afterwards. Default: the device's."),
  group: option(name(64), "Poll group it is read with. Default: default."),
});

type Fields = v.InferOutput<typeof fields>;

/** One point: where a value is, what it is, and what it is called. */
export const pointSchema = v.pipe(
  fields,
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    for (const { at, problem } of pointProblems(dataset.value)) addIssue({ message: problem, path: [{ type: "object", origin: "value", input: dataset.value, key: at, value: dataset.value[at] }] });
  }),
);

/** A point with its defaults filled in. */
export type PointConfig = Fields;

/** What a point is where its config says no type. */
export function typeOf({ type, bit }: Pick<PointConfig, "type" | "bit">, bits: boolean): NonNullable<PointConfig["type"]> {
  return type ?? (bits || bit !== undefined ? "bool" : "uint16");
}

/** What is wrong between the fields of a point. */
export interface PointProblem {
  readonly at: keyof PointConfig;
  readonly problem: string;
}

/** Everything that is wrong between the fields of a point: none, or `createPoint` can fill it in. */
export function pointProblems(point: PointConfig): readonly PointProblem[] {
  const place = placeOf(point);
  if (!("table" in place)) return [place];
  const bits = isBitTable(place.table);
  const type = typeOf(point, bits);
  const number = type !== "bool" && type !== "string";
  const rules: readonly (readonly [boolean, keyof Fields, string])[] = [
    [bits && type !== "bool", "type", `must be bool in the table ${place.table}`],
    [bits && point.bit !== undefined, "bit", `must be left out in the table ${place.table}, whose cells are bits`],
    [!bits && type === "bool" && point.bit === undefined, "bit", "is missing: which bit of the register, 0 (lowest) to 15"],
    [type !== "bool" && point.bit !== undefined, "bit", `must be left out with type ${type}`],
    [type === "string" && point.length === undefined, "length", "is missing: how many bytes the string has"],
    [type !== "string" && point.length !== undefined, "length", `must be left out with type ${type}; count says how many values an array has`],
    [type !== "int8" && type !== "uint8" && point.byte !== undefined, "byte", "goes with int8 and uint8 only"],
    [type === "string" && (point.order === "cdab" || point.order === "dcba"), "order", "must be abcd or badc with a string, whose registers follow each other"],
    [!number && (point.scale !== 1 || point.offset !== 0), "scale", `must be left out with type ${type}, and offset with it`],
    [!number && (point.limits !== undefined || point.decimals !== undefined || point.invalid.length > 0), "limits", `must be left out with type ${type}, as must decimals and invalid`],
    [(type === "string" || point.bit !== undefined || type === "int8" || type === "uint8") && point.count > 1, "count", "must be 1 with a string, a bit of a register, and int8 and uint8"],
    [point.writable && (place.table === "discrete" || place.table === "input"), "writable", `must be false in the table ${place.table}, which is read only`],
  ];
  return rules.flatMap(([broken, at, problem]) => (broken ? [{ at, problem }] : []));
}

/** Where it is, or what is wrong with what it says about that. */
function placeOf(point: Fields): { readonly table: NonNullable<Fields["table"]> } | PointProblem {
  const { table, address, register } = point;
  if (register === undefined) {
    if (table === undefined) return { at: address === undefined ? "table" : "address", problem: 'is not enough: say {table: holding, address: 0}, counted from 0 as on the wire, or register: 40001' };
    return address === undefined ? { at: "address", problem: "is missing: counted from 0, as on the wire" } : { table };
  }
  if (table !== undefined || address !== undefined) return { at: "register", problem: "stands beside table or address: only one of the two can say where it is" };
  try {
    return parseRegister(register);
  } catch (error) {
    return { at: "register", problem: `must be in 40001 notation: ${(error as Error).message.replace(/^.*?: it /, "it ")}` };
  }
}
