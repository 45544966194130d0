import { BusbarError, PartialFrame, type Deframer, type Framing } from "@busbar/core";

/** A fixed header has at most so many bytes (MQTT 3.1.1 §2.2). */
const longestHeader = 5;

/** Cuts a byte stream into MQTT control packets, each with its fixed header; what is sent are whole packets already. The limit counts the bytes after the fixed header (MQTT 3.1.1 §2.2.3). */
export const packetFraming: Framing = {
  name: "mqtt",
  createDeframer: (limit) => new PacketDeframer(limit),
  frame: (packet) => packet,
};

class PacketDeframer implements Deframer {
  readonly #limit: number;
  #partial: PartialFrame | undefined;
  /** Bytes of the packet that has begun, with its header; -1 before that is complete. */
  #total = -1;
  #broken: unknown;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get pending(): number {
    return this.#partial?.length ?? 0;
  }

  push(chunk: Uint8Array, onFrame: (bytes: Uint8Array, start: number, end: number) => void): void {
    if (this.#broken !== undefined) throw this.#broken;
    try {
      let at = this.pending > 0 ? this.#complete(chunk, onFrame) : 0;
      while (at < chunk.length) {
        const total = this.#lengthAt(chunk, at);
        if (total < 0 || at + total > chunk.length) {
          this.#total = total;
          (this.#partial ??= new PartialFrame()).append(chunk, at, chunk.length, total < 0 ? longestHeader : total);
          return;
        }
        at += total;
        onFrame(chunk, at - total, at);
      }
    } catch (error) {
      this.#broken = error; // where the next packet begins is unknown for good
      throw error;
    }
  }

  /** Goes on with the packet that has begun. Returns the place after it in the chunk. */
  #complete(chunk: Uint8Array, onFrame: (bytes: Uint8Array, start: number, end: number) => void): number {
    const partial = this.#partial!;
    let at = 0;
    while (this.#total < 0) {
      if (at === chunk.length) return at;
      partial.append(chunk, at, ++at, longestHeader);
      this.#total = this.#lengthOf(partial.length, (place) => partial.byteAt(place));
    }
    const end = Math.min(chunk.length, at + this.#total - partial.length);
    if (end > at) partial.append(chunk, at, end, this.#total);
    if (partial.length < this.#total) return end;
    const total = this.#total;
    this.#total = -1;
    onFrame(partial.take(), 0, total);
    return end;
  }

  #lengthAt(bytes: Uint8Array, start: number): number {
    const second = bytes[start + 1];
    if (second !== undefined && second < 0x80) return this.#checked(second) + 2;
    return this.#lengthOf(bytes.length - start, (place) => bytes[start + place]!);
  }

  /** Bytes of the packet whose first `held` bytes are there, or -1 when its header goes on. */
  #lengthOf(held: number, byteAt: (place: number) => number): number {
    let length = 0;
    for (let place = 1; place < longestHeader; place++) {
      if (place >= held) return -1;
      const byte = byteAt(place);
      length += (byte & 0x7f) * 128 ** (place - 1);
      if (byte < 0x80) return this.#checked(length) + place + 1;
    }
    throw new SyntaxError("Cannot read a packet: its remaining length has more than 4 bytes (MQTT 3.1.1 §2.2.3)");
  }

  #checked(length: number): number {
    if (length > this.#limit) throw new BusbarError("TOO_LARGE", `Cannot take a packet of ${length} bytes: the limit is ${this.#limit} bytes`);
    return length;
  }
}
