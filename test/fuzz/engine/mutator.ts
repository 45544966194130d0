import { bytesOf } from "./fuzz-target.ts";
import type { Random } from "./random.ts";

/** Where counting, sizes and signs turn over: as bytes, big and little endian, as varints and as digits. */
const edges: readonly Uint8Array[] = [0, 1, -1, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff].flatMap((value) => {
  const view = new DataView(new ArrayBuffer(4));
  view.setInt32(0, value | 0);
  const big = new Uint8Array(view.buffer.slice(0));
  return [big, big.toReversed(), big.subarray(2), big.subarray(2).toReversed(), bytesOf(String(value))];
});
const varints: readonly Uint8Array[] = [[0x80], [0x80, 0x80, 0x80, 0x80, 0x08], [0xff, 0xff, 0xff, 0xff, 0x0f], [0xff, 0xff, 0xff, 0xff, 0xff, 0x01], Array<number>(9).fill(0xff).concat(0x01), Array<number>(12).fill(0x80)].map((bytes) => Uint8Array.from(bytes));
const texts: readonly Uint8Array[] = ["\0", "\n", "\r\n", "\u2028", "\ufeff", "\ud7ff", "é", "😀", "__proto__", "constructor", "{", "}", "[", "]", '"', "\\", "\\u0000", "\\ud800", "1e999", "-0", "1E-7", "null", "true", "#", "+", "$", "/", "..", "%00", "'", "--"].map(bytesOf);
const broken: readonly Uint8Array[] = [[0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf8], [0xff], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x80]].map((bytes) => Uint8Array.from(bytes)); // no UTF-8 (RFC 3629 §3)
const pieces: readonly Uint8Array[] = [...edges, ...varints, ...texts, ...broken];

/** What a mutator draws from. */
export interface MutatorOptions {
  readonly random: Random;
  /** Pieces of the format. */
  readonly words: readonly Uint8Array[];
  /** Longest result. */
  readonly maxLength: number;
}

/** Makes new inputs from old ones: one to eight changes, each at a place that is drawn. */
export class Mutator {
  readonly #random: Random;
  readonly #words: readonly Uint8Array[];
  readonly #maxLength: number;

  constructor({ random, words, maxLength }: MutatorOptions) {
    this.#random = random;
    this.#words = words.length === 0 ? pieces : words;
    this.#maxLength = maxLength;
  }

  /** A changed copy of `input`, perhaps with a part of `other`. */
  mutate(input: Uint8Array, other: Uint8Array): Uint8Array {
    let bytes: Uint8Array = input.slice();
    for (let left = 1 + this.#random.below(this.#random.below(8) + 1); left > 0; left--) bytes = this.#change(bytes, other);
    return bytes.length > this.#maxLength ? bytes.slice(0, this.#maxLength) : bytes;
  }

  #change(bytes: Uint8Array, other: Uint8Array): Uint8Array {
    const random = this.#random;
    const at = random.below(bytes.length + 1);
    const length = 1 + random.below(random.below(16) === 0 ? bytes.length : Math.min(bytes.length, 8));
    switch (random.below(12)) {
      case 0: // a bit
        if (at < bytes.length) bytes[at]! ^= 1 << random.below(8);
        return bytes;
      case 1: // a byte
        if (at < bytes.length) bytes[at] = random.below(256);
        return bytes;
      case 2: // a little more or less
        if (at < bytes.length) bytes[at]! += random.below(9) - 4;
        return bytes;
      case 3:
        return splice(bytes, at, Math.min(length, bytes.length - at), empty);
      case 4: // said twice, or very often
        return splice(bytes, at, 0, repeat(bytes.subarray(at, at + length), random.below(32) === 0 ? 1 + random.below(200) : 1));
      case 5:
        return bytes.slice(0, at);
      case 6:
        return splice(bytes, at, 0, random.pick(this.#words));
      case 7:
        return splice(bytes, at, 0, random.pick(pieces));
      case 8: { // in place of what is there
        const piece = random.below(2) === 0 ? random.pick(pieces) : random.pick(this.#words);
        return splice(bytes, at, Math.min(piece.length, bytes.length - at), piece);
      }
      case 9: { // the beginning of one and the end of the other
        const from = random.below(other.length + 1);
        return splice(bytes, at, bytes.length - at, other.subarray(from));
      }
      case 10: {
        const from = random.below(other.length + 1);
        return splice(bytes, at, 0, other.subarray(from, from + length));
      }
      default: { // two parts change places
        const from = random.below(bytes.length + 1);
        const piece = bytes.slice(from, from + length);
        return splice(splice(bytes, from, piece.length, empty), Math.min(at, bytes.length - piece.length), 0, piece);
      }
    }
  }
}

const empty = new Uint8Array(0);

function splice(bytes: Uint8Array, at: number, remove: number, insert: Uint8Array): Uint8Array {
  const result = new Uint8Array(bytes.length - remove + insert.length);
  result.set(bytes.subarray(0, at));
  result.set(insert, at);
  result.set(bytes.subarray(at + remove), at + insert.length);
  return result;
}

function repeat(piece: Uint8Array, times: number): Uint8Array {
  const result = new Uint8Array(piece.length * times);
  for (let at = 0; at < times; at++) result.set(piece, at * piece.length);
  return result;
}
