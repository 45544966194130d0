import { DataType, type StatusCode, StatusCodes, Variant } from "node-opcua";
import { valueOf } from "./compiled-plant.ts";
import type { ServedTag } from "./opcua-messages.ts";

/** The data type of each kind of tag. */
export const opcuaTypes = { float: DataType.Double, int: DataType.Int32, bool: DataType.Boolean, string: DataType.String } as const;

/** The value that a number of a tag stands for. */
export function variantOf(tag: ServedTag, number: number): Variant {
  return new Variant({ dataType: opcuaTypes[tag.kind], value: valueOf(tag, number) });
}

/** The StatusCode of that name, or, where the library has none, the one of its severity. */
export function statusCodeOf(name: string): StatusCode {
  const known = (StatusCodes as unknown as Readonly<Record<string, StatusCode | undefined>>)[name];
  return known ?? (name.startsWith("Uncertain") ? StatusCodes.Uncertain : StatusCodes.Bad);
}
