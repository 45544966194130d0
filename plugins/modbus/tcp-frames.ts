/** Bytes of the MBAP header: transaction, protocol, length, unit (Modbus TCP V1.0b §3.1.3). */
const headerBytes = 7;

/** The longest frame: a PDU is at most 253 bytes (Modbus V1.1b3 §4.1). */
const longest = headerBytes + 253;

/** A request as a Modbus TCP frame. */
export function encodeTcpFrame(transaction: number, unit: number, pdu: Uint8Array): Uint8Array {
  const frame = new Uint8Array(headerBytes + pdu.length);
  const length = pdu.length + 1;
  frame.set([transaction >> 8, transaction & 0xff, 0, 0, length >> 8, length & 0xff, unit]);
  frame.set(pdu, headerBytes);
  return frame;
}

/** What takes each answer: `pdu` is a view, good until it returns. */
export type TcpAnswerTaker = (transaction: number, unit: number, pdu: Uint8Array) => void;

/** Cuts what a Modbus TCP server sends into answers. Holds at most one incomplete frame of 260 bytes, in a buffer of its own. */
export class TcpFrames {
  readonly #held = new Uint8Array(longest);
  #length = 0;

  /** Bytes of a frame that has begun. */
  get pending(): number {
    return this.#length;
  }

  /**
   * Takes what came, in whatever pieces.
   * @throws {SyntaxError} for a protocol id other than 0 and a length outside 2-254: where the next frame begins is not known then, the connection cannot go on.
   */
  push(chunk: Uint8Array, onAnswer: TcpAnswerTaker): void {
    for (let at = 0; at < chunk.length; ) {
      const wanted = this.#length < headerBytes ? headerBytes : frameLength(this.#held);
      const taken = Math.min(wanted - this.#length, chunk.length - at);
      this.#held.set(chunk.subarray(at, at + taken), this.#length);
      this.#length += taken;
      at += taken;
      if (this.#length < headerBytes) return;
      const length = frameLength(this.#held);
      if (this.#length < length) continue;
      this.#length = 0;
      onAnswer((this.#held[0]! << 8) | this.#held[1]!, this.#held[6]!, this.#held.subarray(headerBytes, length));
    }
  }
}

function frameLength(bytes: Uint8Array): number {
  const protocol = (bytes[2]! << 8) | bytes[3]!;
  if (protocol !== 0) throw new SyntaxError(`Cannot read a Modbus TCP frame: its protocol id is ${protocol}, not 0`);
  const length = (bytes[4]! << 8) | bytes[5]!;
  if (length < 2 || length > 254) throw new SyntaxError(`Cannot read a Modbus TCP frame: its length is ${length}, not 2-254`);
  return length + 6;
}
