import type { Framing } from "../codec.ts";
import { PrefixDeframer, type PrefixReader } from "./prefix-deframer.ts";

/**
 * A varint32 length and that many bytes: what protobuf calls size-delimited (WIRE §3; protobuf `writeDelimitedTo`, Netty `ProtobufVarint32FrameDecoder`).
 * A length may be written with more bytes than it needs (`80 00` is 0), as protobuf readers allow; with more than 5 it is a SyntaxError, and bits beyond the 32nd
 * make it TOO_LARGE.
 */
export const varintFraming: Framing = {
  name: "varint",
  createDeframer: (limit) => new PrefixDeframer(new VarintReader(), limit),
  frame(payload, slab) {
    const size = varintSize(payload.length);
    if (slab !== undefined) {
      const buffer = slab.reserve(size + payload.length); // may begin a new slab: `at` is read after it
      const at = writeVarint(buffer, slab.at, payload.length);
      buffer.set(payload, at);
      return slab.take(at + payload.length);
    }
    const framed = new Uint8Array(size + payload.length);
    writeVarint(framed, 0, payload.length);
    framed.set(payload, size);
    return framed;
  },
};

/** Bytes that `value`, 0 to 2^32 - 1, takes as a varint: 1 to 5. */
export function varintSize(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x200000 ? 3 : value < 0x10000000 ? 4 : 5;
}

/** Writes `value`, 0 to 2^32 - 1, to `target` from `at` on. Returns the place after it. */
export function writeVarint(target: Uint8Array, at: number, value: number): number {
  let rest = value;
  while (rest > 0x7f) {
    target[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  target[at] = rest;
  return at + 1;
}

class VarintReader implements PrefixReader {
  #value = 0;
  #bytes = 0;

  get begun(): number {
    return this.#bytes;
  }

  next(byte: number, at: number): number {
    if (byte < 0x80 && this.#bytes === 0) return byte;
    if (this.#bytes < 4) this.#value |= (byte & 0x7f) << (7 * this.#bytes);
    else this.#value += (byte & 0x7f) * 0x10000000; // the fifth byte reaches beyond 32 bits
    this.#bytes++;
    if (byte < 0x80) {
      const value = this.#value;
      this.#value = 0;
      this.#bytes = 0;
      return value;
    }
    if (this.#bytes === 5) throw new SyntaxError(`Cannot read a frame length: the varint at byte ${at - 4} of the stream is longer than 5 bytes`);
    return -1;
  }
}
