/** How many bytes a slab has. Larger pieces get a buffer of their own. */
const slabSize = 64 * 1024;

/**
 * Memory for encoded messages, given out from front to back: pieces that are made one after the other lie side by side, so a transport that sends
 * several of them can hand them to the socket as one. A piece is never reused; a slab goes when nobody holds a piece of it any more.
 */
export class Slab {
  #buffer: Buffer = Buffer.alloc(0);
  #at = 0;

  /** The buffer to write to, with room for `size` bytes from `at` on. */
  reserve(size: number): Buffer {
    if (this.#buffer.length - this.#at < size) {
      this.#buffer = Buffer.allocUnsafeSlow(Math.max(slabSize, size));
      this.#at = 0;
    }
    return this.#buffer;
  }

  /** Where the next piece begins. */
  get at(): number {
    return this.#at;
  }

  /** Takes the piece that was written from `at` up to `end`. */
  take(end: number): Uint8Array {
    const piece = this.#buffer.subarray(this.#at, end);
    this.#at = end;
    return piece;
  }
}
