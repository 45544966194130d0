import type { Deframer } from "@busbar/core";

/** Bytes of the MBAP header: transaction, protocol, length, unit (Modbus TCP V1.0b §3.1.3). */
const headerBytes = 7;

/** Bytes of the longest frame: a PDU is at most 253 bytes (Modbus V1.1b3 §4.1). */
export const maxModbusFrame = headerBytes + 253;

/**
 * Cuts a Modbus TCP connection into frames, header included. Holds at most one incomplete frame, 259 bytes. `push` throws a SyntaxError
 * for a protocol id that is not 0 and for a length outside 2-254: where the next frame begins is unknown then, the connection cannot go on.
 */
export function createModbusDeframer(): Deframer {
  let partial = new Uint8Array(maxModbusFrame);
  let held = 0;
  let offset = 0;
  let broken: SyntaxError | undefined;
  const refuse = (what: string): never => {
    broken = new SyntaxError(`Cannot read the Modbus frame at byte ${offset}: its ${what}`);
    throw broken;
  };

  /** The length of the whole frame whose header begins at `at`. */
  const lengthAt = (bytes: Uint8Array, at: number): number => {
    const protocol = (bytes[at + 2]! << 8) | bytes[at + 3]!;
    if (protocol !== 0) refuse(`protocol id is ${protocol}, not 0`);
    const length = (bytes[at + 4]! << 8) | bytes[at + 5]!;
    if (length < 2 || length > 254) refuse(`length is ${length}, not 2-254`);
    return length + 6;
  };

  return {
    get pending() {
      return held;
    },
    push(chunk, onFrame) {
      if (broken) throw broken;
      let at = 0;
      while (held > 0 && at < chunk.length) {
        const taken = Math.min((held < headerBytes ? headerBytes : lengthAt(partial, 0)) - held, chunk.length - at);
        partial.set(chunk.subarray(at, at + taken), held);
        held += taken;
        at += taken;
        if (held < headerBytes) continue;
        const length = lengthAt(partial, 0);
        if (held < length) continue;
        const whole = partial;
        partial = new Uint8Array(maxModbusFrame); // the old one belongs to whoever takes the frame
        held = 0;
        offset += length;
        onFrame(whole, 0, length);
      }
      while (chunk.length - at >= headerBytes) {
        const length = lengthAt(chunk, at);
        if (chunk.length - at < length) break;
        const start = at;
        at += length;
        offset += length;
        onFrame(chunk, start, at);
      }
      if (at < chunk.length) {
        partial.set(chunk.subarray(at));
        held = chunk.length - at;
      }
    },
  };
}

/** The frame that answers `request`, a whole frame: its transaction and unit, and `pdu`. */
export function encodeModbusAnswer(request: Uint8Array, pdu: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(headerBytes + pdu.length);
  bytes.set(request.subarray(0, 4));
  bytes[4] = (pdu.length + 1) >> 8;
  bytes[5] = (pdu.length + 1) & 0xff;
  bytes[6] = request[6]!;
  bytes.set(pdu, headerBytes);
  return bytes;
}

/** The PDU of a whole frame: function code and data, a view of 1-253 bytes. */
export function modbusPdu(frame: Uint8Array): Uint8Array {
  return frame.subarray(headerBytes);
}

/** The unit id of a whole frame. */
export function modbusUnitId(frame: Uint8Array): number {
  return frame[6]!;
}
