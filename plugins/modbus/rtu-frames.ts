import { answerLength } from "./pdu.ts";

/** The longest RTU frame (Modbus over Serial Line V1.02 §2.5.1). */
const longest = 256;

/** What a line may hold of noise in front of an answer. */
const capacity = 2 * longest;

/** A request as an RTU frame: unit, PDU, CRC with its low byte first (Modbus over Serial Line V1.02 §2.5.1). */
export function encodeRtuFrame(unit: number, pdu: Uint8Array): Uint8Array {
  const frame = new Uint8Array(pdu.length + 3);
  frame[0] = unit;
  frame.set(pdu, 1);
  const crc = crc16(frame, 0, pdu.length + 1);
  frame[pdu.length + 1] = crc & 0xff;
  frame[pdu.length + 2] = crc >> 8;
  return frame;
}

/** CRC-16 of `bytes[start..end)`: polynomial 0xA001, begun with 0xFFFF (Modbus over Serial Line V1.02 §6.2.2). */
export function crc16(bytes: Uint8Array, start: number, end: number): number {
  let crc = 0xffff;
  for (let at = start; at < end; at++) crc = (crc >> 8) ^ crcTable[(crc ^ bytes[at]!) & 0xff]!;
  return crc;
}

const crcTable = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >> 1) ^ 0xa001 : crc >> 1;
  return crc;
});

/** Which answer is waited for. */
export interface ExpectedAnswer {
  readonly unit: number;
  /** The function that was asked for; its exception fits too. */
  readonly code: number;
  /** Bytes of data in the answer to a read: one of another length answers another request. */
  readonly bytes?: number | undefined;
}

/**
 * Finds answers in what comes over an RTU line: a place from which on unit, function, length and CRC fit. What lies before such a place is noise, or an answer to somebody else, and is
 * dropped. Holds at most 512 bytes.
 */
export class RtuFrames {
  readonly #held = new Uint8Array(capacity);
  readonly #counts: { noise: number };
  #length = 0;

  /** `counts.noise` grows by each byte that belonged to no answer that was waited for. */
  constructor(counts: { noise: number }) {
    this.#counts = counts;
  }

  /** Forgets what came so far: it cannot belong to a request that is only about to be sent. */
  clear(): void {
    this.#counts.noise += this.#length;
    this.#length = 0;
  }

  /** Takes what came. Returns the PDU of the answer as soon as it is whole, else undefined; what comes behind an answer is dropped. */
  push(chunk: Uint8Array, expected: ExpectedAnswer): Uint8Array | undefined {
    for (let at = 0; at < chunk.length; ) {
      const taken = Math.min(capacity - this.#length, chunk.length - at);
      this.#held.set(chunk.subarray(at, at + taken), this.#length);
      this.#length += taken;
      at += taken;
      const found = this.#find(expected);
      if (found) {
        this.#length -= found.length + 3;
        this.clear();
        this.#counts.noise += chunk.length - at;
        return found;
      }
      if (this.#length === capacity) this.#drop(longest); // no answer begins that far back
    }
    return undefined;
  }

  #find({ unit, code, bytes: expected }: ExpectedAnswer): Uint8Array | undefined {
    const bytes = this.#held;
    const end = this.#length;
    for (let at = 0; at + 5 <= end; at++) {
      if (bytes[at] !== unit || (bytes[at + 1]! & 0x7f) !== code) continue;
      if (expected !== undefined && bytes[at + 1] === code && bytes[at + 2] !== expected) continue;
      const length = answerLength(bytes, at + 1, end);
      if (length <= 0 || at + length + 3 > end) continue;
      const crc = crc16(bytes, at, at + 1 + length);
      if (bytes[at + 1 + length] === (crc & 0xff) && bytes[at + 2 + length] === crc >> 8) return bytes.slice(at + 1, at + 1 + length);
    }
    return undefined;
  }

  #drop(count: number): void {
    this.#held.copyWithin(0, count, this.#length);
    this.#length -= count;
    this.#counts.noise += count;
  }
}
