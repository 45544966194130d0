import { errorCode, type WriteGuard } from "@busbar/core";
import { type ModbusTable, type ModbusUnit, readRegisters, type Slot, writeRegisters } from "./modbus-map.ts";
import { PlantError } from "./plant-error.ts";
import type { Simulation } from "./simulation.ts";
import type { Tag } from "./compiled-plant.ts";

/** Why a request is refused (Modbus V1.1b3 §7). */
export const modbusException = { illegalFunction: 1, illegalDataAddress: 2, illegalDataValue: 3, serverDeviceFailure: 4, gatewayTargetFailed: 11 } as const;

/** What a request is answered from. */
export interface ModbusTarget {
  readonly unit: ModbusUnit;
  readonly simulation: Simulation;
  /** Stands before every write; where writes are off their functions are answered as illegal ones. */
  readonly writes: WriteGuard;
  /** Who asks. */
  readonly remote?: string | undefined;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
}

const writeFunctions: ReadonlySet<number> = new Set([5, 6, 15, 16]);

class Refusal {
  readonly exception: number;
  constructor(exception: number) {
    this.exception = exception;
  }
}

const refuse = (exception: number): never => {
  throw new Refusal(exception);
};

/** The PDU that refuses a function. */
export function exceptionPdu(functionCode: number, exception: number): Uint8Array {
  return Uint8Array.of(functionCode | 0x80, exception);
}

/**
 * Answers one PDU: function codes 1-6, 15 and 16. Quantities, byte counts and lengths are held against Modbus V1.1b3 §6; a write must
 * cover whole values and is done as a whole or not at all.
 * @returns the PDU of the answer, 2-253 bytes; never throws for what a client sent.
 */
export function answerModbus(pdu: Uint8Array, target: ModbusTarget): Uint8Array {
  const code = pdu[0] ?? 0;
  try {
    if (writeFunctions.has(code)) target.writes.check({ target: `unit ${target.unit.id}`, remote: target.remote });
    switch (code) {
      case 1:
        return readBits(pdu, "coil", target);
      case 2:
        return readBits(pdu, "discrete-input", target);
      case 3:
        return readWords(pdu, "holding-register", target);
      case 4:
        return readWords(pdu, "input-register", target);
      case 5:
        return writeCoil(pdu, target);
      case 6:
        return writeRegister(pdu, target);
      case 15:
        return writeCoils(pdu, target);
      case 16:
        return writeWords(pdu, target);
      default:
        return exceptionPdu(code, modbusException.illegalFunction);
    }
  } catch (error) {
    if (error instanceof Refusal) return exceptionPdu(code, error.exception);
    if (errorCode(error) === "FORBIDDEN") return exceptionPdu(code, modbusException.illegalFunction);
    if (error instanceof PlantError) return exceptionPdu(code, error.code === "READ_ONLY" ? modbusException.illegalDataAddress : modbusException.illegalDataValue);
    throw error;
  }
}

/** Reads the address and the quantity (or value) at bytes 1-4 of a PDU that is `length` bytes long. */
function header(pdu: Uint8Array, length: number): { readonly address: number; readonly second: number } {
  if (pdu.length !== length) refuse(modbusException.illegalDataValue);
  return { address: (pdu[1]! << 8) | pdu[2]!, second: (pdu[3]! << 8) | pdu[4]! };
}

function range(target: ModbusTarget, table: ModbusTable, span: { readonly address: number; readonly quantity: number; readonly limit: number }): readonly Slot[] {
  if (span.quantity < 1 || span.quantity > span.limit) refuse(modbusException.illegalDataValue);
  const cells = target.unit.tables[table];
  if (span.address + span.quantity > cells.length) refuse(modbusException.illegalDataAddress);
  return cells.slice(span.address, span.address + span.quantity);
}

function readBits(pdu: Uint8Array, table: ModbusTable, target: ModbusTarget): Uint8Array {
  const { address, second: quantity } = header(pdu, 5);
  const cells = range(target, table, { address, quantity, limit: 2_000 });
  const answer = new Uint8Array(2 + Math.ceil(quantity / 8));
  answer[0] = pdu[0]!;
  answer[1] = answer.length - 2;
  cells.forEach((slot, k) => {
    if (target.simulation.values[slot.tag.index] !== 0) answer[2 + (k >> 3)]! |= 1 << (k & 7);
  });
  return answer;
}

function readWords(pdu: Uint8Array, table: ModbusTable, target: ModbusTarget): Uint8Array {
  const { address, second: quantity } = header(pdu, 5);
  const cells = range(target, table, { address, quantity, limit: 125 });
  const answer = new Uint8Array(2 + 2 * quantity);
  answer[0] = pdu[0]!;
  answer[1] = 2 * quantity;
  const whole = new DataView(new ArrayBuffer(4));
  cells.forEach((slot, k) => {
    const word = address + k - slot.address; // a read may begin or end in the middle of a value
    writeRegisters(slot, target.simulation.values[slot.tag.index]!, whole, 0);
    answer[2 + 2 * k] = whole.getUint8(2 * word);
    answer[3 + 2 * k] = whole.getUint8(2 * word + 1);
  });
  return answer;
}

function writeCoil(pdu: Uint8Array, target: ModbusTarget): Uint8Array {
  const { address, second: value } = header(pdu, 5);
  if (value !== 0xff00 && value !== 0) refuse(modbusException.illegalDataValue);
  const [slot] = range(target, "coil", { address, quantity: 1, limit: 1 });
  target.simulation.write(slot!.tag, value !== 0, target.now);
  return pdu.slice();
}

function writeRegister(pdu: Uint8Array, target: ModbusTarget): Uint8Array {
  const { address } = header(pdu, 5);
  const cells = range(target, "holding-register", { address, quantity: 1, limit: 1 });
  writeCells(cells, { address, data: pdu.subarray(3) }, target);
  return pdu.slice();
}

function writeCoils(pdu: Uint8Array, target: ModbusTarget): Uint8Array {
  const { address, quantity } = counted(pdu, (quantity) => Math.ceil(quantity / 8));
  const cells = range(target, "coil", { address, quantity, limit: 1_968 });
  target.simulation.writeAll(cells.map((slot, k) => [slot.tag, ((pdu[6 + (k >> 3)]! >> (k & 7)) & 1) === 1] as const), target.now);
  return pdu.slice(0, 5);
}

function writeWords(pdu: Uint8Array, target: ModbusTarget): Uint8Array {
  const { address, quantity } = counted(pdu, (quantity) => 2 * quantity);
  const cells = range(target, "holding-register", { address, quantity, limit: 123 });
  writeCells(cells, { address, data: pdu.subarray(6) }, target);
  return pdu.slice(0, 5);
}

/** Reads the head of a PDU whose data has a byte count of its own, and checks that all three lengths agree. */
function counted(pdu: Uint8Array, bytesOf: (quantity: number) => number): { readonly address: number; readonly quantity: number } {
  if (pdu.length < 6) refuse(modbusException.illegalDataValue);
  const { address, second: quantity } = header(pdu.subarray(0, 5), 5);
  if (pdu[5] !== bytesOf(quantity) || pdu.length !== 6 + pdu[5]!) refuse(modbusException.illegalDataValue);
  return { address, quantity };
}

function writeCells(cells: readonly Slot[], write: { readonly address: number; readonly data: Uint8Array }, target: ModbusTarget): void {
  const { address, data } = write;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const writes: (readonly [Tag, unknown])[] = [];
  for (let k = 0; k < cells.length; ) {
    const slot = cells[k]!;
    if (slot.address !== address + k || k + slot.count > cells.length) refuse(modbusException.illegalDataAddress);
    writes.push([slot.tag, readRegisters(slot, view, 2 * k)]);
    k += slot.count;
  }
  target.simulation.writeAll(writes, target.now);
}
