import { type Machine, type Plant, type Tag, valueOf } from "./compiled-plant.ts";
import type { ModbusTable } from "./modbus-bank.ts";
import type { TagValue } from "./plant.ts";

/** How a number lies in registers: big endian throughout, the high register first ("ABCD"). */
export type RegisterFormat = "float32" | "int32" | "int16" | "uint16";

/** Where a tag is. */
export interface Slot {
  readonly tag: Tag;
  readonly table: ModbusTable;
  /** The first address, counted from 0 as on the wire. */
  readonly address: number;
  /** How many addresses it takes: 1 or 2. */
  readonly count: number;
  /** Undefined for a coil and a discrete input. */
  readonly format: RegisterFormat | undefined;
}

/** One unit id: a machine and where its tags are. Each table lists, for each address, the slot that lies there. */
export interface ModbusUnit {
  /** 1-247. */
  readonly id: number;
  readonly machine: Machine;
  readonly slots: readonly Slot[];
  readonly tables: Readonly<Record<ModbusTable, readonly Slot[]>>;
}

/**
 * Lays the plant out: the n-th machine is unit n, and within it each table is filled from address 0 in the order of the tags. Set points
 * are holding registers and coils, the others input registers and discrete inputs. A float takes two registers, an int one or two, as its
 * range needs, a string one: its place in the list of its levels.
 */
export function createModbusMap(plant: Plant): ReadonlyMap<number, ModbusUnit> {
  return new Map(plant.machines.map((machine) => [machine.index + 1, createUnit(machine)]));
}

/** Writes the number of a slot into `view` at byte `at`. */
export function writeRegisters(slot: Slot, number: number, view: DataView, at: number): void {
  switch (slot.format) {
    case "float32":
      return view.setFloat32(at, number);
    case "int32":
      return view.setInt32(at, number);
    case "int16":
      return view.setInt16(at, number);
    case "uint16":
      return view.setUint16(at, number);
  }
}

/** Writes what stands for "no value" in the slot's format: NaN, 0x80000000, 0x8000 or 0xFFFF (SunSpec Information Model Specification, points that a device does not have). */
export function writeMissing(slot: Slot, view: DataView): void {
  switch (slot.format) {
    case "float32":
      return view.setUint32(0, 0x7fc0_0000);
    case "int32":
      return view.setUint32(0, 0x8000_0000);
    case "int16":
      return view.setUint16(0, 0x8000);
    case "uint16":
      return view.setUint16(0, 0xffff);
  }
}

/** The value that lies at byte `at` of `view`, in the slot's format: what `Simulation.write` takes. */
export function readRegisters(slot: Slot, view: DataView, at: number): TagValue {
  return valueOf(slot.tag, slot.format === "float32" ? nearest(view.getFloat32(at)) : slot.format === "int32" ? view.getInt32(at) : slot.format === "int16" ? view.getInt16(at) : view.getUint16(at));
}

/** A float32 as the decimal that was meant: 0.1 and not 0.10000000149011612. Nine digits name every float32, most need fewer. */
function nearest(number: number): number {
  for (let digits = 6; digits < 9 && Number.isFinite(number); digits++) {
    const decimal = Number(number.toPrecision(digits));
    if (Math.fround(decimal) === number) return decimal;
  }
  return number;
}

function createUnit(machine: Machine): ModbusUnit {
  const tables: Record<ModbusTable, Slot[]> = { coil: [], "discrete-input": [], "holding-register": [], "input-register": [] };
  const slots = machine.tags.map((tag) => {
    const table = tag.kind === "bool" ? (tag.writable ? "coil" : "discrete-input") : tag.writable ? "holding-register" : "input-register";
    const format = formatOf(tag);
    const cells = tables[table];
    const slot: Slot = { tag, table, address: cells.length, count: format === "float32" || format === "int32" ? 2 : 1, format };
    for (let k = 0; k < slot.count; k++) cells.push(slot);
    return slot;
  });
  return { id: machine.index + 1, machine, slots, tables };
}

function formatOf(tag: Tag): RegisterFormat | undefined {
  if (tag.kind === "bool") return undefined;
  if (tag.kind === "float") return "float32";
  if (tag.low >= 0 && tag.high <= 65_535) return "uint16";
  return tag.low >= -32_768 && tag.high <= 32_767 ? "int16" : "int32";
}

/** The map of a plant as text, one line a tag: `unit table address count format machine.tag unit`. What a Modbus client's engineer needs to know. */
export function formatModbusMap(plant: Plant): string {
  const lines = [...createModbusMap(plant).values()].flatMap((unit) =>
    unit.slots.map((slot) => [unit.id, slot.table, slot.address, slot.count, slot.format ?? "bit", `${unit.machine.id}.${slot.tag.name}`, slot.tag.unit].join("\t").trimEnd()),
  );
  return lines.join("\n") + "\n";
}
