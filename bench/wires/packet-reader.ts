/**
 * Says how many bytes the packet at `start` has, header included, judging by the bytes up to `end`; -1 when its header is
 * not complete yet.
 * @throws Error when the bytes cannot be a header.
 */
export type Measure = (bytes: Uint8Array, start: number, end: number) => number;

/** Receives one whole packet, header included. The bytes are valid during the call only. */
export type Visit = (bytes: Uint8Array, start: number, end: number) => void;

/** Cuts a stream into packets, whatever the chunks are. Only a packet that spans chunks is copied. */
export class PacketReader {
  readonly #measure: Measure;
  readonly #visit: Visit;
  #carry: Uint8Array = new Uint8Array(0);
  #carried = 0;

  constructor(measure: Measure, visit: Visit) {
    this.#measure = measure;
    this.#visit = visit;
  }

  /** Takes the first `length` bytes of `bytes`; the caller may reuse them afterwards. */
  push(bytes: Uint8Array, length: number): void {
    let at = this.#carried === 0 ? 0 : this.#complete(bytes, length);
    while (at < length) {
      const size = this.#measure(bytes, at, length);
      if (size === -1 || at + size > length) {
        this.#keep(bytes, at, length);
        return;
      }
      this.#visit(bytes, at, at + size);
      at += size;
    }
  }

  /** Goes on with the packet that an earlier chunk began. Returns how many bytes of this one it took. */
  #complete(bytes: Uint8Array, length: number): number {
    let at = 0;
    while (at < length) {
      const size = this.#measure(this.#carry, 0, this.#carried);
      // Without its header a packet's size is unknown: take one more byte of it and look again.
      const take = size === -1 ? 1 : Math.min(size - this.#carried, length - at);
      this.#keep(bytes, at, at + take);
      at += take;
      if (this.#measure(this.#carry, 0, this.#carried) === this.#carried) {
        const end = this.#carried;
        this.#carried = 0;
        this.#visit(this.#carry, 0, end);
        return at;
      }
    }
    return at;
  }

  #keep(bytes: Uint8Array, from: number, to: number): void {
    const needed = this.#carried + to - from;
    if (needed > this.#carry.length) {
      const grown = new Uint8Array(Math.max(256, needed * 2));
      grown.set(this.#carry.subarray(0, this.#carried));
      this.#carry = grown;
    }
    this.#carry.set(bytes.subarray(from, to), this.#carried);
    this.#carried = needed;
  }
}

/** Measures a packet that is a varint32 length and that many bytes (protobuf's size-delimited form). */
export function measureDelimited(bytes: Uint8Array, start: number, end: number): number {
  if (start >= end) return -1;
  let length = bytes[start] ?? 0;
  if (length < 0x80) return 1 + length;
  length = 0;
  for (let i = 0; i < 5; i++) {
    if (start + i >= end) return -1;
    const byte = bytes[start + i] ?? 0;
    length += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return i + 1 + length;
  }
  throw new Error("Cannot measure a delimited packet: its length has more than 5 bytes");
}

/** Where the content of the delimited packet at `start` begins. */
export function delimitedContent(bytes: Uint8Array, start: number): number {
  let at = start;
  while ((bytes[at] ?? 0) >= 0x80) at++;
  return at + 1;
}

/** Measures an MQTT control packet (MQTT 3.1.1 §2.2: one byte of type, a remaining length of 1–4 bytes). */
export function measureMqtt(bytes: Uint8Array, start: number, end: number): number {
  let length = 0;
  for (let i = 0; i < 4; i++) {
    if (start + 1 + i >= end) return -1;
    const byte = bytes[start + 1 + i] ?? 0;
    length += (byte & 0x7f) << (7 * i);
    if (byte < 0x80) return i + 2 + length;
  }
  throw new Error("Cannot measure an MQTT packet: its remaining length has more than 4 bytes");
}

/** Measures a WebSocket frame (RFC 6455 §5.2), masked or not. */
export function measureWebSocket(bytes: Uint8Array, start: number, end: number): number {
  if (start + 2 > end) return -1;
  const second = bytes[start + 1] ?? 0;
  const mask = second >= 0x80 ? 4 : 0;
  const length = second & 0x7f;
  if (length < 126) return 2 + mask + length;
  if (length === 126) return start + 4 > end ? -1 : 4 + mask + ((bytes[start + 2] ?? 0) << 8) + (bytes[start + 3] ?? 0);
  if (start + 10 > end) return -1;
  let long = 0;
  for (let i = 2; i < 10; i++) long = long * 256 + (bytes[start + i] ?? 0);
  return 10 + mask + long;
}

/**
 * Measures what a NATS server says (NATS client protocol): a line, and behind a `MSG` line as many bytes as its last word says, with
 * a line end.
 * @throws Error when that word is no number.
 */
export function measureNats(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && bytes[at] !== 0x0a) at++;
  if (at >= end) return -1;
  const line = at + 1 - start;
  if (bytes[start] !== 0x4d) return line;
  let size = 0;
  let scale = 1;
  // Backwards from the \r\n to the blank before the last word.
  for (let i = at - 2; bytes[i] !== 0x20; i--) {
    const digit = (bytes[i] ?? 0) - 0x30;
    if (digit < 0 || digit > 9 || i <= start) throw new Error("Cannot measure a NATS message: its size is no number");
    size += digit * scale;
    scale *= 10;
  }
  return line + size + 2;
}

/** Where the payload of the unmasked WebSocket frame at `start` begins. */
export function webSocketPayload(bytes: Uint8Array, start: number): number {
  const length = (bytes[start + 1] ?? 0) & 0x7f;
  return start + (length < 126 ? 2 : length === 126 ? 4 : 10);
}
