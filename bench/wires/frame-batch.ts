import type { FrameTemplate } from "./wire.ts";

/** Three ASCII digits for each of 0–999, so that the part of a sequence that always changes costs three stores. */
const thousand = new Uint8Array(3000);
for (let n = 0; n < 1000; n++) {
  thousand[n * 3] = 48 + Math.floor(n / 100);
  thousand[n * 3 + 1] = 48 + (Math.floor(n / 10) % 10);
  thousand[n * 3 + 2] = 48 + (n % 10);
}

/**
 * Up to `capacity` messages of one publisher, laid end to end in one buffer that is patched in place before each write.
 * The bytes belong to the socket from write to flush: stamping in between would change what is sent.
 */
export class FrameBatch {
  readonly #template: FrameTemplate;
  readonly #bytes: Uint8Array;
  readonly #views: readonly Uint8Array[];
  /** The upper six digits (sequence / 1,000) that each frame now shows. */
  readonly #upper: Float64Array;
  #timestamp = -1;

  constructor(template: FrameTemplate, capacity: number) {
    const size = template.bytes.length;
    this.#template = template;
    this.#bytes = new Uint8Array(size * capacity);
    for (let i = 0; i < capacity; i++) this.#bytes.set(template.bytes, i * size);
    this.#views = Array.from({ length: capacity + 1 }, (_, count) => this.#bytes.subarray(0, count * size));
    this.#upper = new Float64Array(capacity).fill(-1);
  }

  /**
   * Writes sequence numbers `first`, `first + 1`, … (below 10^9) and the time `now` (ms since the Unix epoch) into `count`
   * frames. Returns a view on those frames.
   * @throws RangeError when `count` is more than the capacity.
   */
  stamp(first: number, count: number, now: number): Uint8Array {
    const view = this.#views[count];
    if (view === undefined) throw new RangeError(`Cannot stamp ${count} frames: the batch holds ${this.#views.length - 1}`);
    const { sequenceAt, packetIdAt } = this.#template;
    const size = this.#template.bytes.length;
    const bytes = this.#bytes;
    for (let i = 0; i < count; i++) {
      const sequence = first + i;
      const upper = Math.floor(sequence / 1000);
      const at = i * size + sequenceAt;
      if (upper !== this.#upper[i]) this.#setUpper(i, at, upper);
      const lower = (sequence - upper * 1000) * 3;
      bytes[at + 6] = thousand[lower] ?? 0;
      bytes[at + 7] = thousand[lower + 1] ?? 0;
      bytes[at + 8] = thousand[lower + 2] ?? 0;
      if (packetIdAt !== -1) {
        const id = (sequence % 65535) + 1;
        bytes[i * size + packetIdAt] = id >> 8;
        bytes[i * size + packetIdAt + 1] = id & 0xff;
      }
    }
    if (this.#template.timestampAt !== -1 && now !== this.#timestamp) this.#setTimestamp(now);
    return view;
  }

  #setUpper(index: number, at: number, upper: number): void {
    this.#upper[index] = upper;
    let rest = upper;
    for (let i = 5; i >= 0; i--) {
      this.#bytes[at + i] = 48 + (rest % 10);
      rest = Math.floor(rest / 10);
    }
  }

  #setTimestamp(now: number): void {
    this.#timestamp = now;
    const size = this.#template.bytes.length;
    for (let at = this.#template.timestampAt; at < this.#bytes.length; at += size) {
      let rest = now;
      for (let i = 0; i < 6; i++) {
        this.#bytes[at + i] = (rest % 128) | (i < 5 ? 0x80 : 0);
        rest = Math.floor(rest / 128);
      }
    }
  }
}
