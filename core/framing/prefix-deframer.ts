import type { Deframer } from "../codec.ts";
import { BusbarError } from "../errors.ts";
import { PartialFrame } from "./partial-frame.ts";

/** Reads the length in front of a frame, a byte at a time. */
export interface PrefixReader {
  /** Takes the next byte of a prefix. Returns the frame's length in bytes, or -1 when the prefix goes on. @throws {SyntaxError} when it is no prefix; `at` is the byte's place in the stream. */
  next(byte: number, at: number): number;
  /** Bytes of a prefix that has begun. */
  readonly begun: number;
}

/** Cuts frames that have their length in front. Used by every framing of that kind; only the prefix differs. */
export class PrefixDeframer implements Deframer {
  readonly #prefix: PrefixReader;
  readonly #limit: number;
  /** Made when a frame is cut for the first time: most connections never see that. */
  #partial: PartialFrame | undefined;
  /** Length of the frame that has begun, or -1 before its prefix is complete. */
  #length = -1;
  /** Bytes of the stream before the chunk at hand. */
  #before = 0;
  #broken: unknown;

  constructor(prefix: PrefixReader, limit: number) {
    this.#prefix = prefix;
    this.#limit = limit;
  }

  get pending(): number {
    return this.#length < 0 ? this.#prefix.begun : 1 + (this.#partial?.length ?? 0); // a length that was read counts as a byte: its frame has begun
  }

  push(chunk: Uint8Array, onFrame: (bytes: Uint8Array, start: number, end: number) => void): void {
    if (this.#broken !== undefined) throw this.#broken;
    const prefix = this.#prefix;
    const size = chunk.length;
    let at = 0;
    let length = this.#length;
    while (true) {
      while (length < 0) {
        if (at === size) {
          this.#length = -1;
          this.#before += size;
          return;
        }
        length = this.#step(prefix, chunk[at]!, this.#before + at);
        at++;
      }
      const held = this.#partial?.length ?? 0;
      const end = at + length - held;
      if (end > size) {
        if (at < size) (this.#partial ??= new PartialFrame()).append(chunk, at, size, length);
        this.#length = length;
        this.#before += size;
        return;
      }
      const start = at;
      at = end;
      const whole = length;
      length = -1;
      this.#length = -1;
      if (held === 0) onFrame(chunk, start, end);
      else {
        this.#partial!.append(chunk, start, end, whole);
        onFrame(this.#partial!.take(), 0, whole);
      }
    }
  }

  #step(prefix: PrefixReader, byte: number, at: number): number {
    try {
      const length = prefix.next(byte, at);
      if (length > this.#limit) throw new BusbarError("TOO_LARGE", `Cannot take a frame of ${length} bytes, announced up to byte ${at} of the stream: the limit is ${this.#limit} bytes`);
      return length;
    } catch (error) {
      this.#broken = error; // where the next frame begins is unknown for good
      throw error;
    }
  }
}
