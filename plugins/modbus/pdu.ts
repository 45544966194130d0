import { ModbusFault } from "./modbus-fault.ts";

/** The four tables of a device (Modbus V1.1b3 §4.3). */
export type Table = "coil" | "discrete" | "holding" | "input";

/** Whether a cell of the table is one bit; else it is a register of 16. */
export const isBitTable = (table: Table): boolean => table === "coil" || table === "discrete";

/** Registers of one read at the most (V1.1b3 §6.3). */
export const maxReadRegisters = 125;

/** Registers of one write at the most (V1.1b3 §6.12). */
export const maxWriteRegisters = 123;

/** Bits of one read at the most (V1.1b3 §6.1). */
export const maxReadBits = 2000;

/** Bits of one write at the most (V1.1b3 §6.11). */
export const maxWriteBits = 1968;

const readFunctions: Readonly<Record<Table, number>> = { coil: 1, discrete: 2, holding: 3, input: 4 };

/** A request for `count` cells from `address` on, as a PDU: functions 1 to 4 (V1.1b3 §6.1-6.4). */
export function encodeRead(table: Table, address: number, count: number): Uint8Array {
  return words(readFunctions[table], address, count);
}

/** Writes one coil: function 5 (V1.1b3 §6.5). */
export function encodeWriteCoil(address: number, on: boolean): Uint8Array {
  return words(5, address, on ? 0xff00 : 0);
}

/** Writes one holding register: function 6 (V1.1b3 §6.6). */
export function encodeWriteRegister(address: number, word: number): Uint8Array {
  return words(6, address, word);
}

/** Writes coils: function 15 (V1.1b3 §6.11). */
export function encodeWriteCoils(address: number, bits: readonly boolean[]): Uint8Array {
  const bytes = Math.ceil(bits.length / 8);
  const pdu = new Uint8Array(6 + bytes);
  pdu.set(words(15, address, bits.length));
  pdu[5] = bytes;
  bits.forEach((on, at) => on && (pdu[6 + (at >> 3)]! |= 1 << (at & 7)));
  return pdu;
}

/** Writes holding registers: function 16 (V1.1b3 §6.12). */
export function encodeWriteRegisters(address: number, values: readonly number[]): Uint8Array {
  const pdu = new Uint8Array(6 + 2 * values.length);
  pdu.set(words(16, address, values.length));
  pdu[5] = 2 * values.length;
  values.forEach((word, at) => {
    pdu[6 + 2 * at] = word >> 8;
    pdu[7 + 2 * at] = word & 0xff;
  });
  return pdu;
}

/** Changes the bits of one holding register that are 1 in `mask` to those of `bits`: function 22, whose result is (current AND and) OR (or AND NOT and) (V1.1b3 §6.16). */
export function encodeMaskWrite(address: number, mask: number, bits: number): Uint8Array {
  const pdu = new Uint8Array(7);
  pdu.set(words(22, address, ~mask & 0xffff));
  pdu[5] = (bits & mask) >> 8;
  pdu[6] = bits & mask & 0xff;
  return pdu;
}

/** Asks for the device identification from object `from` on: function 43 / 14 (V1.1b3 §6.21). `level`: 1 basic, 2 regular. */
export function encodeIdentify(level: 1 | 2, from: number): Uint8Array {
  return Uint8Array.of(43, 14, level, from);
}

/** How many registers or bits a read asks for; 0 where the request is none. */
export function cellsOf(request: Uint8Array): number {
  return request[0]! >= 1 && request[0]! <= 4 ? (request[3]! << 8) | request[4]! : 0;
}

/**
 * The data of an answer: of a read the bytes behind its byte count, of everything else what follows the function code. A view.
 * @throws {ModbusFault} exception with its code; malformed where it is no answer to this request.
 */
export function answerData(request: Uint8Array, answer: Uint8Array): Uint8Array {
  const code = request[0]!;
  if (answer[0] === (code | 0x80)) {
    if (answer.length !== 2 || answer[1] === 0) throw new ModbusFault("malformed", { detail: `an exception of ${answer.length} bytes` });
    throw new ModbusFault("exception", { exception: answer[1]! });
  }
  if (answer[0] !== code) throw new ModbusFault("malformed", { detail: `function ${answer[0] ?? "none"} instead of ${code}` });
  if (code <= 4) return readData(request, answer);
  if (code === 43) return answer.subarray(1);
  const echoed = code === 5 || code === 6 || code === 22 ? request : request.subarray(0, 5);
  if (answer.length !== echoed.length || echoed.some((byte, at) => byte !== answer[at])) throw new ModbusFault("malformed", { detail: "it does not repeat what was written" });
  return answer.subarray(1);
}

function readData(request: Uint8Array, answer: Uint8Array): Uint8Array {
  const cells = cellsOf(request);
  const expected = request[0]! <= 2 ? Math.ceil(cells / 8) : 2 * cells;
  if (answer[1] !== expected || answer.length !== 2 + expected) throw new ModbusFault("malformed", { detail: `${answer.length - 2} bytes of data, ${answer[1] ?? "none"} announced, instead of ${expected}` });
  return answer.subarray(2);
}

/**
 * How long the answer will be whose PDU begins at `at`, as far as its first bytes tell: 0 while more of them are needed, -1 for what no answer of the functions above begins with.
 * An RTU line has no length field: this is how a frame's end is known before the silence behind it.
 */
export function answerLength(bytes: Uint8Array, at: number, end: number): number {
  const code = bytes[at]!;
  if (code & 0x80) return 2;
  if (code >= 1 && code <= 4) return at + 1 < end ? 2 + bytes[at + 1]! : 0;
  if (code === 5 || code === 6 || code === 15 || code === 16) return 5;
  if (code === 22) return 7;
  return code === 43 ? identificationLength(bytes, at, end) : -1;
}

/** Objects follow each other, each with its id and length (V1.1b3 §6.21). */
function identificationLength(bytes: Uint8Array, at: number, end: number): number {
  let next = at + 7;
  if (next > end) return 0;
  for (let left = bytes[at + 6]!; left > 0; left--) {
    if (next + 2 > end) return 0;
    next += 2 + bytes[next + 1]!;
    if (next - at > 253) return -1;
  }
  return next - at;
}

function words(code: number, first: number, second: number): Uint8Array {
  return Uint8Array.of(code, first >> 8, first & 0xff, second >> 8, second & 0xff);
}
