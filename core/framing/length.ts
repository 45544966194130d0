import type { Framing } from "../codec.ts";
import { PrefixDeframer, type PrefixReader } from "./prefix-deframer.ts";

/** How the length is written: unsigned, 1, 2 or 4 bytes, the most or the least significant byte first. */
export type LengthPrefix = "u8" | "u16be" | "u16le" | "u32be" | "u32le";

/** How `lengthFraming` counts. */
export interface LengthFramingOptions {
  /** Whether the length counts its own bytes too. Default false. */
  readonly includesPrefix?: boolean;
}

/** A length of fixed size and that many bytes, as in many private device protocols. */
export function lengthFraming(prefix: LengthPrefix, options: LengthFramingOptions = {}): Framing {
  const size = prefix === "u8" ? 1 : prefix.startsWith("u16") ? 2 : 4;
  const little = prefix.endsWith("le");
  const own = options.includesPrefix === true ? size : 0;
  return {
    name: `length-${prefix}`,
    createDeframer: (limit) => new PrefixDeframer(new LengthReader(size, little, own), limit),
    /** @throws {RangeError} when the payload is longer than the prefix can say. */
    frame(payload) {
      const length = payload.length + own;
      if (length >= 2 ** (8 * size)) throw new RangeError(`Cannot frame ${payload.length} bytes: a ${prefix} length goes up to ${2 ** (8 * size) - 1 - own}`);
      const framed = new Uint8Array(size + payload.length);
      for (let i = 0; i < size; i++) framed[little ? i : size - 1 - i] = (length >>> (8 * i)) & 0xff;
      framed.set(payload, size);
      return framed;
    },
  };
}

class LengthReader implements PrefixReader {
  readonly #size: number;
  readonly #little: boolean;
  readonly #own: number;
  #value = 0;
  #bytes = 0;

  constructor(size: number, little: boolean, own: number) {
    this.#size = size;
    this.#little = little;
    this.#own = own;
  }

  get begun(): number {
    return this.#bytes;
  }

  next(byte: number, at: number): number {
    this.#value = this.#little ? this.#value + byte * 256 ** this.#bytes : this.#value * 256 + byte;
    this.#bytes++;
    if (this.#bytes < this.#size) return -1;
    const length = this.#value - this.#own;
    this.#value = 0;
    this.#bytes = 0;
    if (length < 0) throw new SyntaxError(`Cannot read a frame length: ${length + this.#own} at byte ${at - this.#size + 1} of the stream is less than the ${this.#own} bytes of the length itself`);
    return length;
  }
}
