import type { Tag } from "./compiled-plant.ts";
import { type ModbusBank, modbusException, ModbusRefusal } from "./modbus-bank.ts";
import { simulatedIdentity } from "./modbus-identity.ts";
import { createModbusMap, type ModbusUnit, readRegisters, writeMissing, writeRegisters } from "./modbus-map.ts";
import type { Simulation } from "./simulation.ts";

/** The machines of a plant as Modbus units, by unit id, laid out by `createModbusMap`. A tag of bad quality reads as what SunSpec has for points without a value: NaN, 0x8000, 0xFFFF. */
export function plantBanks(simulation: Simulation): ReadonlyMap<number, ModbusBank> {
  return new Map([...createModbusMap(simulation.plant)].map(([id, unit]) => [id, plantBank(unit, simulation)]));
}

function plantBank(unit: ModbusUnit, simulation: Simulation): ModbusBank {
  const { tables, machine } = unit;
  const whole = new DataView(new ArrayBuffer(4));
  return {
    id: unit.id,
    machine: machine.id,
    identity: simulatedIdentity(machine.id, machine.kind),
    maxRegisters: 125,
    maxBits: 2_000,
    latency: 0,
    dead: false,
    bit(table, address) {
      const slot = tables[table][address];
      return slot && simulation.values[slot.tag.index] !== 0;
    },
    word(table, address) {
      const slot = tables[table][address];
      if (!slot) return undefined;
      if (simulation.qualityOf(slot.tag) === "bad") writeMissing(slot, whole);
      else writeRegisters(slot, simulation.values[slot.tag.index]!, whole, 0);
      return whole.getUint16(2 * (address - slot.address)); // a read may begin or end in the middle of a value
    },
    writeBits(address, bits, now) {
      simulation.writeAll(bits.map((bit, k) => [slotAt(unit, "coil", address + k).tag, bit] as const), now);
    },
    writeWords(address, words, now) {
      const writes: (readonly [Tag, unknown])[] = [];
      for (let k = 0; k < words.length; ) {
        const slot = slotAt(unit, "holding-register", address + k);
        if (slot.address !== address + k) throw new ModbusRefusal(modbusException.illegalDataAddress);
        if (k + slot.count > words.length) throw new ModbusRefusal(modbusException.illegalDataAddress);
        for (let word = 0; word < slot.count; word++) whole.setUint16(2 * word, words[k + word]!);
        writes.push([slot.tag, readRegisters(slot, whole, 0)]);
        k += slot.count;
      }
      simulation.writeAll(writes, now);
    },
    restart() {}, // the plant behind it goes on
  };
}

function slotAt(unit: ModbusUnit, table: "coil" | "holding-register", address: number) {
  const slot = unit.tables[table][address];
  if (!slot) throw new ModbusRefusal(modbusException.illegalDataAddress);
  return slot;
}
