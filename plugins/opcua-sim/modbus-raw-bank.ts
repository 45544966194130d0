import { type ModbusBank, modbusException, ModbusRefusal, type ModbusTable } from "./modbus-bank.ts";
import { simulatedIdentity } from "./modbus-identity.ts";
import { type BlockSpec, type ModbusFleetSpec, type RawUnitSpec, rawUnitSpec } from "./modbus-fleet.ts";
import { encodeRegisters, rangeOf, registersOf } from "./register-codec.ts";
import { noiseAt, seedOf } from "./signal.ts";

/** The units of a fleet as one of its ports serves them, by unit id. `start`: milliseconds since the Unix epoch from which its patterns count. */
export function fleetBanks(fleet: ModbusFleetSpec, start: number): ReadonlyMap<number, ModbusBank> {
  return new Map(Array.from({ length: fleet.units }, (_, k) => [k + 1, rawBank(k + 1, { ...rawUnitSpec(fleet, k + 1), start })]));
}

interface Block extends BlockSpec {
  /** Addresses of one value. */
  readonly width: number;
  /** The address after the last. */
  readonly end: number;
}

/** A unit whose values are computed when somebody asks; only what was written is kept. */
function rawBank(id: number, spec: RawUnitSpec & { readonly start: number }): ModbusBank {
  const { wordOrder: order, start } = spec;
  const seed = seedOf(id, "modbus");
  const blocks = spec.blocks.map((block): Block => {
    const width = isBits(block.table) ? 1 : registersOf(block.type, block.length);
    return { ...block, width, end: block.address + block.count * width };
  });
  const written = new Map<string, number>();
  const blockAt = (table: ModbusTable, address: number): Block | undefined => blocks.find((block) => block.table === table && address >= block.address && address < block.end);

  const valueAt = (block: Block, place: number, now: number): number | string => {
    const { pattern } = block;
    const elapsed = Math.max(0, now - start);
    switch (pattern.kind) {
      case "static":
        return pattern.value ?? (block.type === "string" ? `unit ${id}` : block.address + place * block.width);
      case "sine":
        return pattern.low + (pattern.high - pattern.low) * (0.5 + 0.5 * Math.sin(2 * Math.PI * (elapsed / pattern.period + place / 100)));
      case "random":
        return pattern.low + (pattern.high - pattern.low) * noiseAt(seed + block.address + place, elapsed / pattern.every);
      case "counter": {
        const count = place + Math.floor((elapsed * pattern.rate) / 1_000);
        if (isBits(block.table)) return count % 2;
        const [low, high] = rangeOf(block.type);
        return Number.isSafeInteger(high - low) ? count % (Math.max(0, high) + 1) : count;
      }
    }
  };
  const cell = (table: ModbusTable, address: number, now: number): number | undefined => {
    const block = blockAt(table, address);
    if (!block) return undefined;
    const kept = written.get(`${table} ${address}`);
    if (kept !== undefined) return kept;
    const place = Math.floor((address - block.address) / block.width);
    const value = valueAt(block, place, now);
    if (isBits(table)) return Number(Math.floor(Number(value)) !== 0);
    return encodeRegisters(value, { type: block.type, length: block.length, order })[address - block.address - place * block.width];
  };
  const write = (table: ModbusTable, address: number, cells: ArrayLike<number>): void => {
    for (let k = 0; k < cells.length; k++) if (!blockAt(table, address + k)) throw new ModbusRefusal(modbusException.illegalDataAddress);
    for (let k = 0; k < cells.length; k++) written.set(`${table} ${address + k}`, cells[k]!);
  };
  return {
    id,
    machine: undefined,
    identity: simulatedIdentity(`unit ${id}`, "raw unit"),
    maxRegisters: spec.maxRegisters,
    maxBits: spec.maxBits,
    latency: spec.latency,
    dead: spec.dead,
    bit(table, address, now) {
      const value = cell(table, address, now);
      return value === undefined ? undefined : value !== 0;
    },
    word: cell,
    writeBits: (address, bits) => write("coil", address, bits.map(Number)),
    writeWords: (address, words) => write("holding-register", address, words),
    restart: () => written.clear(),
  };
}

const isBits = (table: ModbusTable): boolean => table === "coil" || table === "discrete-input";
