const smallest = 256;

/**
 * The bytes of one frame that has not come in whole. It grows by doubling, so it never holds more than twice what was received (whatever length the
 * peer announced) and copies each byte a bounded number of times, however small the chunks are.
 */
export class PartialFrame {
  #bytes: Uint8Array | undefined;
  #length = 0;

  /** Bytes held. */
  get length(): number {
    return this.#length;
  }

  /** Adds `chunk[start..end)`. `expected`: bytes the whole frame will have, or Infinity where nobody knows. */
  append(chunk: Uint8Array, start: number, end: number, expected: number): void {
    const length = this.#length + end - start;
    const held = this.#bytes;
    if (held === undefined || held.length < length) {
      const grown = new Uint8Array(Math.max(length, Math.min(expected, Math.max(smallest, 2 * this.#length))));
      if (held !== undefined) grown.set(held.subarray(0, this.#length));
      this.#bytes = grown;
    }
    this.#bytes!.set(start === 0 && end === chunk.length ? chunk : chunk.subarray(start, end), this.#length);
    this.#length = length;
  }

  /** The byte at `at`, or -1 where nothing is held. */
  byteAt(at: number): number {
    return at >= 0 && at < this.#length ? this.#bytes![at]! : -1;
  }

  /** Hands the bytes over, in `[0, length)` of the result, and forgets them: the frame's reader owns them from here on. */
  take(): Uint8Array {
    const bytes = this.#bytes ?? new Uint8Array(0);
    this.#bytes = undefined;
    this.#length = 0;
    return bytes;
  }
}
