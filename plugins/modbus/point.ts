import type { ByteOrder } from "./byte-order.ts";
import { parseRegister } from "./address.ts";
import { isBitTable, type Table } from "./pdu.ts";
import { numberFormats } from "./number-format.ts";
import { typeOf, type PointConfig } from "./point-schema.ts";

/** A point as the driver works with it: all that its config and its device leave open is filled in. */
export interface Point {
  readonly tag: string;
  readonly table: Table;
  /** The first cell, 0-65535. */
  readonly address: number;
  /** Cells it takes: registers, or bits in the tables of bits. */
  readonly cells: number;
  readonly type: NonNullable<PointConfig["type"]>;
  readonly order: ByteOrder;
  /** Bytes of a string. */
  readonly length: number;
  /** Values; more than one make an array. */
  readonly count: number;
  readonly bit: number | undefined;
  readonly byte: "high" | "low";
  readonly scale: number;
  readonly offset: number;
  readonly decimals: number | undefined;
  readonly unit: string | undefined;
  readonly low: number;
  readonly high: number;
  /** Numbers that stand for no value, before scale and offset. */
  readonly invalid: readonly bigint[];
  readonly writable: boolean;
  readonly readBack: boolean;
  readonly group: string;
}

/** What a device says for its points. */
export interface PointDefaults {
  readonly order: ByteOrder;
  readonly readBack: boolean;
}

/** Fills in a point that the schema has found sound. */
export function createPoint(config: PointConfig, defaults: PointDefaults): Point {
  const { table, address } = config.register === undefined ? { table: config.table!, address: config.address! } : parseRegister(config.register);
  const type = typeOf(config, isBitTable(table));
  const one = type === "bool" ? 1 : type === "string" ? Math.ceil(config.length! / 2) : numberFormats[type].words;
  const order = config.order ?? defaults.order;
  return {
    tag: config.tag,
    table,
    address,
    cells: one * config.count,
    type,
    // A device's order is about its numbers: of a string only the bytes within a register can be swapped.
    order: type === "string" && config.order === undefined ? "abcd" : order,
    length: config.length ?? 0,
    count: config.count,
    bit: config.bit,
    byte: config.byte ?? "low",
    scale: config.scale,
    offset: config.offset,
    decimals: config.decimals,
    unit: config.unit,
    low: config.limits?.low ?? Number.NEGATIVE_INFINITY,
    high: config.limits?.high ?? Number.POSITIVE_INFINITY,
    invalid: config.invalid.map((value) => BigInt(value)),
    writable: config.writable,
    readBack: config.readBack ?? defaults.readBack,
    group: config.group ?? "default",
  };
}
