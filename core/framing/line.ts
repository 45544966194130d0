import type { Deframer, Framing } from "../codec.ts";
import { BusbarError } from "../errors.ts";
import { PartialFrame } from "./partial-frame.ts";

/** How `lineFraming` finds the end of a frame. */
export interface LineFramingOptions {
  /** What ends a frame: text (UTF-8) or bytes, at least one byte. Default "\n". */
  readonly delimiter?: string | Uint8Array;
  /** Whether a carriage return right before the delimiter is dropped: for peers that end lines with either. Default false. */
  readonly dropCarriageReturn?: boolean;
}

const carriageReturn = 13;

/** Frames that end with a delimiter, as in line-based device protocols. The delimiter is not part of the frame; an empty line is an empty frame. */
export function lineFraming(options: LineFramingOptions = {}): Framing {
  const { delimiter: given = "\n", dropCarriageReturn = false } = options;
  const delimiter = typeof given === "string" ? new TextEncoder().encode(given) : given.slice();
  if (delimiter.length === 0) throw new RangeError("Cannot frame by a delimiter: it is empty");
  return {
    name: "line",
    createDeframer: (limit) => new LineDeframer(delimiter, dropCarriageReturn, limit),
    /** @throws {RangeError} when the payload would not come out as it went in: the delimiter is in it, or a carriage return that gets dropped ends it. */
    frame(payload) {
      const framed = new Uint8Array(payload.length + delimiter.length);
      framed.set(payload);
      framed.set(delimiter, payload.length);
      const at = Buffer.from(framed.buffer).indexOf(delimiter);
      if (at !== payload.length) throw new RangeError(`Cannot frame ${payload.length} bytes: the delimiter is found at byte ${at}`);
      if (dropCarriageReturn && payload.at(-1) === carriageReturn) throw new RangeError(`Cannot frame ${payload.length} bytes: the carriage return at the end would be dropped`);
      return framed;
    },
  };
}

class LineDeframer implements Deframer {
  readonly #delimiter: Uint8Array;
  readonly #dropCarriageReturn: boolean;
  readonly #limit: number;
  readonly #partial = new PartialFrame();
  #before = 0;
  #broken: unknown;

  constructor(delimiter: Uint8Array, dropCarriageReturn: boolean, limit: number) {
    this.#delimiter = delimiter;
    this.#dropCarriageReturn = dropCarriageReturn;
    this.#limit = limit;
  }

  get pending(): number {
    return this.#partial.length;
  }

  push(chunk: Uint8Array, onFrame: (bytes: Uint8Array, start: number, end: number) => void): void {
    if (this.#broken !== undefined) throw this.#broken;
    const delimiter = this.#delimiter;
    const size = delimiter.length;
    const last = delimiter[size - 1]!;
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    let start = 0;
    // Whoever ends a frame ends with the delimiter's last byte: look for that alone, which the runtime does natively, then look back across the chunk's edge.
    for (let at = bytes.indexOf(last); at !== -1; at = bytes.indexOf(last, at + 1)) {
      if (!this.#endsAt(chunk, start, at)) continue;
      const held = this.#partial.length;
      const length = held + at + 1 - start - size;
      if (length > this.#limit) this.#tooLarge(length, at);
      if (held === 0) this.#hand(onFrame, chunk, start, start + length);
      else {
        this.#partial.append(chunk, start, at + 1, held + at + 1 - start);
        this.#hand(onFrame, this.#partial.take(), 0, length);
      }
      start = at + 1;
    }
    const rest = this.#partial.length + chunk.length - start;
    // A part of the delimiter may already be here, and does not count.
    if (rest > this.#limit + size - 1) this.#tooLarge(rest - size + 1, chunk.length - 1);
    if (start < chunk.length) this.#partial.append(chunk, start, chunk.length, Number.POSITIVE_INFINITY);
    this.#before += chunk.length;
  }

  /** Whether the frame that began in the held bytes or at `start` ends with `chunk[at]`, the delimiter's last byte. */
  #endsAt(chunk: Uint8Array, start: number, at: number): boolean {
    const delimiter = this.#delimiter;
    for (let back = 1; back < delimiter.length; back++) {
      const from = at - back;
      const byte = from >= start ? chunk[from]! : this.#partial.byteAt(this.#partial.length - (start - from));
      if (byte !== delimiter[delimiter.length - 1 - back]) return false;
    }
    return true;
  }

  #hand(onFrame: (bytes: Uint8Array, start: number, end: number) => void, bytes: Uint8Array, start: number, end: number): void {
    onFrame(bytes, start, this.#dropCarriageReturn && end > start && bytes[end - 1] === carriageReturn ? end - 1 : end);
  }

  #tooLarge(length: number, at: number): never {
    this.#broken = new BusbarError("TOO_LARGE", `Cannot take a frame of ${length} bytes or more, seen up to byte ${this.#before + at} of the stream: the limit is ${this.#limit} bytes`);
    this.#partial.take();
    throw this.#broken;
  }
}
