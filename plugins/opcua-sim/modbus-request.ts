import { errorCode, type WriteGuard } from "@busbar/core";
import { type ModbusBank, modbusException, ModbusRefusal } from "./modbus-bank.ts";
import { answerIdentification } from "./modbus-identity.ts";
import { PlantError } from "./plant-error.ts";

/** What a request is answered from. */
export interface ModbusTarget {
  readonly bank: ModbusBank;
  /** Stands before every write; where writes are off their functions are answered as illegal ones. */
  readonly writes: WriteGuard;
  /** Who asks. */
  readonly remote?: string | undefined;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
}

const writeFunctions: ReadonlySet<number> = new Set([5, 6, 15, 16, 22, 23]);

const refuse = (exception: number): never => {
  throw new ModbusRefusal(exception);
};

/** The PDU that refuses a function. */
export function exceptionPdu(functionCode: number, exception: number): Uint8Array {
  return Uint8Array.of(functionCode | 0x80, exception);
}

/**
 * Answers one PDU: functions 1-6, 15, 16, 22, 23 and 43/14. Quantities, byte counts and lengths are held against Modbus V1.1b3 §6; a write
 * must cover whole values and is done as a whole or not at all.
 * @returns the PDU of the answer, 2-253 bytes; never throws for what a client sent.
 */
export function answerModbus(pdu: Uint8Array, target: ModbusTarget): Uint8Array {
  const code = pdu[0] ?? 0;
  try {
    if (writeFunctions.has(code)) target.writes.check({ target: target.bank.machine ?? `unit ${target.bank.id}`, remote: target.remote });
    return answer(code, pdu, target);
  } catch (error) {
    if (error instanceof ModbusRefusal) return exceptionPdu(code, error.exception);
    if (errorCode(error) === "FORBIDDEN") return exceptionPdu(code, modbusException.illegalFunction);
    if (error instanceof PlantError) return exceptionPdu(code, error.code === "READ_ONLY" ? modbusException.illegalDataAddress : modbusException.illegalDataValue);
    throw error;
  }
}

function answer(code: number, pdu: Uint8Array, target: ModbusTarget): Uint8Array {
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
      return writeRegisters(pdu, target);
    case 22:
      return maskRegister(pdu, target);
    case 23:
      return readAndWrite(pdu, target);
    case 43:
      if (pdu[1] === 14) return answerIdentification(pdu, target.bank.identity);
  }
  return exceptionPdu(code, modbusException.illegalFunction);
}

const wordAt = (bytes: Uint8Array, at: number): number => (bytes[at]! << 8) | bytes[at + 1]!;

function checkLength(pdu: Uint8Array, length: number): void {
  if (pdu.length !== length) refuse(modbusException.illegalDataValue);
}

function checkQuantity(quantity: number, limit: number): void {
  if (quantity < 1 || quantity > limit) refuse(modbusException.illegalDataValue);
}

function readBits(pdu: Uint8Array, table: "coil" | "discrete-input", { bank, now }: ModbusTarget): Uint8Array {
  checkLength(pdu, 5);
  const [address, quantity] = [wordAt(pdu, 1), wordAt(pdu, 3)];
  checkQuantity(quantity, Math.min(2_000, bank.maxBits));
  const answer = new Uint8Array(2 + Math.ceil(quantity / 8));
  answer[0] = pdu[0]!;
  answer[1] = answer.length - 2;
  for (let k = 0; k < quantity; k++) if (bank.bit(table, address + k, now) ?? refuse(modbusException.illegalDataAddress)) answer[2 + (k >> 3)]! |= 1 << (k & 7);
  return answer;
}

function readWords(pdu: Uint8Array, table: "holding-register" | "input-register", target: ModbusTarget): Uint8Array {
  checkLength(pdu, 5);
  checkQuantity(wordAt(pdu, 3), Math.min(125, target.bank.maxRegisters));
  return wordsFrom(pdu, table, target);
}

/** The answer that carries the words that bytes 1-4 of a request ask for. */
function wordsFrom(pdu: Uint8Array, table: "holding-register" | "input-register", { bank, now }: ModbusTarget): Uint8Array {
  const [address, quantity] = [wordAt(pdu, 1), wordAt(pdu, 3)];
  const answer = new Uint8Array(2 + 2 * quantity);
  answer[0] = pdu[0]!;
  answer[1] = 2 * quantity;
  for (let k = 0; k < quantity; k++) {
    const word = bank.word(table, address + k, now) ?? refuse(modbusException.illegalDataAddress);
    answer[2 + 2 * k] = word >> 8;
    answer[3 + 2 * k] = word & 0xff;
  }
  return answer;
}

function writeCoil(pdu: Uint8Array, { bank, now }: ModbusTarget): Uint8Array {
  checkLength(pdu, 5);
  const value = wordAt(pdu, 3);
  if (value !== 0xff00 && value !== 0) refuse(modbusException.illegalDataValue);
  bank.writeBits(wordAt(pdu, 1), [value !== 0], now);
  return pdu.slice();
}

function writeRegister(pdu: Uint8Array, { bank, now }: ModbusTarget): Uint8Array {
  checkLength(pdu, 5);
  bank.writeWords(wordAt(pdu, 1), Uint16Array.of(wordAt(pdu, 3)), now);
  return pdu.slice();
}

function writeCoils(pdu: Uint8Array, { bank, now }: ModbusTarget): Uint8Array {
  const quantity = countedAt(pdu, 3, (count) => Math.ceil(count / 8));
  checkQuantity(quantity, Math.min(1_968, bank.maxBits));
  bank.writeBits(wordAt(pdu, 1), Array.from({ length: quantity }, (_, k) => ((pdu[6 + (k >> 3)]! >> (k & 7)) & 1) === 1), now);
  return pdu.slice(0, 5);
}

function writeRegisters(pdu: Uint8Array, { bank, now }: ModbusTarget): Uint8Array {
  const quantity = countedAt(pdu, 3, (count) => 2 * count);
  checkQuantity(quantity, Math.min(123, bank.maxRegisters));
  bank.writeWords(wordAt(pdu, 1), wordsAt(pdu, 6, quantity), now);
  return pdu.slice(0, 5);
}

/** Modbus V1.1b3 §6.16: what is and'ed stays, what is or'ed is set where it was masked out. */
function maskRegister(pdu: Uint8Array, { bank, now }: ModbusTarget): Uint8Array {
  checkLength(pdu, 7);
  const address = wordAt(pdu, 1);
  const before = bank.word("holding-register", address, now) ?? refuse(modbusException.illegalDataAddress);
  const [and, or] = [wordAt(pdu, 3), wordAt(pdu, 5)];
  bank.writeWords(address, Uint16Array.of((before & and) | (or & ~and)), now);
  return pdu.slice();
}

/** Modbus V1.1b3 §6.17: the write is done before the read; where either is impossible neither is done. */
function readAndWrite(pdu: Uint8Array, target: ModbusTarget): Uint8Array {
  const { bank, now } = target;
  const quantity = countedAt(pdu, 7, (count) => 2 * count);
  checkQuantity(wordAt(pdu, 3), Math.min(125, bank.maxRegisters));
  checkQuantity(quantity, Math.min(121, bank.maxRegisters));
  wordsFrom(pdu, "holding-register", target);
  bank.writeWords(wordAt(pdu, 5), wordsAt(pdu, 10, quantity), now);
  return wordsFrom(pdu, "holding-register", target);
}

/** The quantity at byte `at`, whose byte count and data follow: all three lengths must agree. */
function countedAt(pdu: Uint8Array, at: number, bytesOf: (quantity: number) => number): number {
  const data = at + 3;
  if (pdu.length < data) refuse(modbusException.illegalDataValue);
  const quantity = wordAt(pdu, at);
  if (pdu[at + 2] !== bytesOf(quantity) || pdu.length !== data + pdu[at + 2]!) refuse(modbusException.illegalDataValue);
  return quantity;
}

const wordsAt = (pdu: Uint8Array, at: number, quantity: number): Uint16Array => Uint16Array.from({ length: quantity }, (_, k) => wordAt(pdu, at + 2 * k));
