import type { Deframer } from "@busbar/core";

/** Bytes of the longest frame: unit, a PDU of at most 253 bytes, check sum (Modbus Serial Line V1.02 §2.5.1). */
const maxFrame = 256;

/**
 * Cuts the requests of a Modbus RTU client, carried over TCP, into frames of unit, PDU and check sum. Where a frame ends is known by its
 * function code; as on a serial line, bytes that make no frame are dropped, up to the end of what has arrived. `dropped` is told of each such time.
 */
export function createRtuDeframer(dropped: () => void): Deframer {
  let held = new Uint8Array(0);
  return {
    get pending() {
      return held.length;
    },
    push(chunk, onFrame) {
      const bytes = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
      let at = 0;
      while (at < bytes.length) {
        const rest = bytes.subarray(at);
        const length = requestLength(rest);
        if (length === undefined) break;
        if (length > rest.length || length > maxFrame || crc16(rest.subarray(0, length - 2)) !== (rest[length - 2]! | (rest[length - 1]! << 8))) {
          if (length > rest.length && length <= maxFrame) break;
          dropped();
          at = bytes.length;
          break;
        }
        onFrame(bytes, at, at + length);
        at += length;
      }
      held = bytes.slice(at);
    },
  };
}

/** The check sum of Modbus RTU (Serial Line V1.02 §6.2.2), sent low byte first. */
export function crc16(bytes: Uint8Array): number {
  let crc = 0xffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >> 1) ^ 0xa001 : crc >> 1;
  }
  return crc;
}

/** The frame of a unit's PDU. */
export function encodeRtuFrame(unit: number, pdu: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(pdu.length + 3);
  bytes[0] = unit;
  bytes.set(pdu, 1);
  const crc = crc16(bytes.subarray(0, pdu.length + 1));
  bytes.set([crc & 0xff, crc >> 8], pdu.length + 1);
  return bytes;
}

/** Bytes of the frame that begins here, by its function code; undefined when more must come to know it. A function that is not known takes all there is. */
function requestLength(bytes: Uint8Array): number | undefined {
  switch (bytes[1]) {
    case undefined:
      return undefined;
    case 15:
    case 16:
      return bytes.length < 7 ? undefined : 9 + bytes[6]!;
    case 22:
      return 10;
    case 23:
      return bytes.length < 11 ? undefined : 13 + bytes[10]!;
    case 43:
      return 7;
    default:
      return bytes[1]! <= 6 ? 8 : Math.max(4, bytes.length);
  }
}
