import { duration, integer, portNumber } from "@busbar/core";
import * as v from "valibot";
import { modbusTables } from "./modbus-bank.ts";
import { registersOf, registerTypes, wordOrders } from "./register-codec.ts";

const field = <S extends v.GenericSchema>(schema: S, fallback: v.InferInput<S>, description: string) => v.pipe(v.optional(schema, fallback as never), v.description(description));
const number = v.pipe(v.number(), v.finite());

/** How the values of a block come about; times are durations. All are functions of the time, the unit and the place in the block alone. */
export const patternSchema = v.variant("kind", [
  /** Up by `rate` per second, round again at the end of the type; each value begins at its place in the block. */
  v.strictObject({ kind: v.literal("counter"), rate: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1_000_000)), 1) }),
  /** A wave between `low` and `high`, each value a bit later than the one before. */
  v.strictObject({ kind: v.literal("sine"), period: v.optional(duration(100, 86_400_000), 60_000), low: v.optional(number, 0), high: v.optional(number, 100) }),
  /** Always `value`; default: its own address, so that a reader sees whether it reads the right one. */
  v.strictObject({ kind: v.literal("static"), value: v.optional(v.union([number, v.pipe(v.string(), v.maxLength(250))])) }),
  /** A number between `low` and `high`, drawn anew each `every`. */
  v.strictObject({ kind: v.literal("random"), every: v.optional(duration(10, 86_400_000), 1_000), low: v.optional(number, 0), high: v.optional(number, 100) }),
]);

/** Values of one type, side by side in one table. What no block covers is answered with exception 02. */
export const blockSchema = v.pipe(
  v.strictObject({
    table: v.optional(v.picklist(modbusTables), "holding-register"),
    /** The first address, counted from 0. */
    address: v.optional(integer(0, 65_535), 0),
    /** How many values. */
    count: v.optional(integer(1, 65_536), 1),
    /** What a value is; coils and discrete inputs are bits whatever it says. */
    type: v.optional(v.picklist(registerTypes), "uint16"),
    /** Registers of a string. */
    length: v.optional(integer(1, 125), 8),
    pattern: v.optional(patternSchema, { kind: "counter" }),
  }),
  v.check(({ address, count, table, type, length }) => address + count * (table === "coil" || table === "discrete-input" ? 1 : registersOf(type, length)) <= 65_536, "must end at address 65535 or before"),
);

const unitFields = {
  wordOrder: v.optional(v.pipe(v.picklist(wordOrders), v.description("How values of 32 and 64 bits lie in registers: abcd (big endian), cdab (low register first), badc (low byte first), dcba (little endian). Default abcd."))),
  latency: v.optional(v.pipe(duration(0, 600_000), v.description("Time that a unit works on each request, 0 to 10m. Default 0."))),
  dead: v.optional(v.pipe(v.boolean(), v.description("Whether it never answers. Default false."))),
  maxRegisters: v.optional(v.pipe(integer(1, 125), v.description("Registers of one request at the most, 1 to 125; more is answered with exception 03. Default 125."))),
  maxBits: v.optional(v.pipe(integer(1, 2_000), v.description("Bits of one request at the most, 1 to 2000. Default 2000."))),
  blocks: v.optional(v.pipe(v.array(blockSchema), v.maxLength(256), v.description("What the registers hold, as {table, address, count, type, length, pattern}. Default: a hundred values in each table."))),
};

/** A fleet of raw Modbus units, as many on each of its ports. They are no machines: the bus and OPC UA know nothing of them. */
export const modbusFleetSchema = v.strictObject({
  units: field(integer(1, 247), 10, "Units on each port: unit ids 1 to this. Default 10, 1 to 247."),
  ports: field(v.pipe(v.array(portNumber()), v.minLength(1), v.maxLength(64)), [5_021], "TCP ports to listen on, each with as many units; 0 for any free one. Default 5021, at most 64."),
  framing: field(v.picklist(["tcp", "rtu"]), "tcp", "tcp for Modbus TCP, rtu for Modbus RTU over TCP. Default tcp."),
  ...unitFields,
  except: field(v.pipe(v.array(v.strictObject({ units: v.pipe(v.array(integer(1, 247)), v.minLength(1)), ...unitFields })), v.maxLength(247)), [], "Units that differ: {units: [3], …} with any of wordOrder, latency, dead, maxRegisters, maxBits, blocks; of several the last counts. Default none."),
});

/** A fleet with all its defaults filled in. */
export type ModbusFleetSpec = v.InferOutput<typeof modbusFleetSchema>;
/** One block of a unit. */
export type BlockSpec = v.InferOutput<typeof blockSchema>;
/** How values come about. */
export type PatternSpec = v.InferOutput<typeof patternSchema>;

/** What one raw unit is like. */
export interface RawUnitSpec {
  readonly wordOrder: (typeof wordOrders)[number];
  readonly latency: number;
  readonly dead: boolean;
  readonly maxRegisters: number;
  readonly maxBits: number;
  readonly blocks: readonly BlockSpec[];
}

/** The registers of a unit that says nothing of its own. */
const defaultBlocks = v.parse(v.array(blockSchema), [
  { table: "coil", count: 100, pattern: { kind: "static", value: 0 } },
  { table: "discrete-input", count: 100, pattern: { kind: "random", low: 0, high: 1.999 } },
  { table: "holding-register", count: 100, pattern: { kind: "static" } },
  { table: "input-register", address: 0, count: 50, type: "uint16", pattern: { kind: "counter" } },
  { table: "input-register", address: 100, count: 25, type: "float32", pattern: { kind: "sine" } },
]);

/** What unit `id` of a fleet is like. */
export function rawUnitSpec(fleet: ModbusFleetSpec, id: number): RawUnitSpec {
  const own = fleet.except.filter(({ units }) => units.includes(id));
  const pick = <K extends keyof RawUnitSpec>(key: K, fallback: RawUnitSpec[K]): RawUnitSpec[K] => (own.findLast((one) => one[key] !== undefined)?.[key] ?? fleet[key] ?? fallback) as RawUnitSpec[K];
  return { wordOrder: pick("wordOrder", "abcd"), latency: pick("latency", 0), dead: pick("dead", false), maxRegisters: pick("maxRegisters", 125), maxBits: pick("maxBits", 2_000), blocks: pick("blocks", defaultBlocks) };
}
