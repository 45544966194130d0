import type { Socket } from "node:net";
import type { EnvelopeFields } from "./envelope.ts";
import { isPlainJson } from "./json-check.ts";

const slabSize = 1024 * 1024;
/** A subscriber that has this many bytes unread is dropped. */
const slowConsumerBytes = 64 * 1024 * 1024;

const ver = Buffer.from('{"ver":"');
const msgid = Buffer.from('","msgid":"');
const timestamp = Buffer.from('","timestamp":');
const from = Buffer.from(',"from":"');
const to = Buffer.from('","to":"');
const server = Buffer.from("server");
const type = Buffer.from('","type":"');
const payload = Buffer.from('","payload":');
const qos = Buffer.from(',"qos":');
const retainTrue = Buffer.from(',"retain":true}');
const retainFalse = Buffer.from(',"retain":false}');

/**
 * WebSocket text frames for the subscribers, collected until the end of the tick and then written to each of them in one
 * system call: what a message costs is system calls.
 */
export class OutBuffer {
  readonly subscribers = new Set<Socket>();
  readonly #free: Uint8Array<ArrayBuffer>[] = [];
  #slab = new Uint8Array(slabSize);
  #used = 0;
  #scheduled = false;
  #digits = Buffer.alloc(0);
  #digitsOf = -1;
  readonly #flush = (): void => {
    this.#scheduled = false;
    this.flush();
  };

  /**
   * Appends one envelope as JSON.
   * @returns false when it is no valid envelope (text that is not UTF-8, a payload that is not JSON).
   */
  append(fields: EnvelopeFields): boolean {
    const { bytes } = fields;
    // The longest escape (\u001f) is six bytes for one.
    if (this.#used + (fields.jsonEnd - fields.jsonAt) * 6 + 4096 > slabSize) this.flush();
    const slab = this.#slab;
    const start = this.#used + 4;
    let at = copy(slab, start, ver, 0, ver.length);
    at = copyText(slab, at, bytes, fields.verAt, fields.verEnd);
    at = copy(slab, at, msgid, 0, msgid.length);
    at = at === -1 ? -1 : copyText(slab, at, bytes, fields.msgidAt, fields.msgidEnd);
    if (at === -1) return false;
    at = copy(slab, at, timestamp, 0, timestamp.length);
    if (fields.timestamp !== this.#digitsOf) {
      this.#digitsOf = fields.timestamp;
      this.#digits = Buffer.from(String(fields.timestamp));
    }
    at = copy(slab, at, this.#digits, 0, this.#digits.length);
    at = copy(slab, at, from, 0, from.length);
    at = copyText(slab, at, bytes, fields.fromAt, fields.fromEnd);
    if (at === -1) return false;
    at = copy(slab, at, to, 0, to.length);
    at = fields.toEnd === fields.toAt ? copy(slab, at, server, 0, server.length) : copyText(slab, at, bytes, fields.toAt, fields.toEnd);
    if (at === -1) return false;
    at = copy(slab, at, type, 0, type.length);
    at = copyText(slab, at, bytes, fields.typeAt, fields.typeEnd);
    if (at === -1) return false;
    at = copy(slab, at, payload, 0, payload.length);
    at = copyJson(slab, at, bytes, fields.jsonAt, fields.jsonEnd);
    if (at === -1) return false;
    at = copy(slab, at, qos, 0, qos.length);
    slab[at++] = 48 + fields.qos;
    at = fields.retain ? copy(slab, at, retainTrue, 0, retainTrue.length) : copy(slab, at, retainFalse, 0, retainFalse.length);
    this.#frame(start, at);
    return true;
  }

  /** Appends one envelope that is JSON text already. */
  appendText(json: string): void {
    // A UTF-16 code unit becomes at most three bytes of UTF-8.
    if (this.#used + json.length * 3 + 4 > slabSize) this.flush();
    const start = this.#used + 4;
    this.#frame(start, start + Buffer.from(this.#slab.buffer).write(json, start));
  }

  /** Writes what was collected to every subscriber. */
  flush(): void {
    if (this.#used === 0) return;
    const slab = this.#slab;
    const view = slab.subarray(0, this.#used);
    this.#slab = this.#free.pop() ?? new Uint8Array(slabSize);
    this.#used = 0;
    let pending = this.subscribers.size;
    const written = (): void => {
      if (--pending === 0) this.#free.push(slab);
    };
    for (const socket of this.subscribers) {
      if (socket.writableLength > slowConsumerBytes) socket.destroy();
      socket.write(view, written);
    }
  }

  /** Puts the header (RFC 6455 §5.2) before the payload that lies from `start` to `end`, four bytes behind the frame before. */
  #frame(start: number, end: number): void {
    const length = end - start;
    const slab = this.#slab;
    let at = this.#used;
    slab[at++] = 0x81;
    if (length < 126) {
      slab[at++] = length;
      slab.copyWithin(at, start, end);
      this.#used = at + length;
    } else {
      slab[at++] = 126;
      slab[at++] = length >> 8;
      slab[at] = length & 0xff;
      this.#used = end;
    }
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#flush);
  }
}

/** A loop: for a few bytes it beats a call into the runtime. */
function copy(target: Uint8Array, to: number, source: Uint8Array, start: number, end: number): number {
  for (let i = start; i < end; i++) target[to++] = source[i] ?? 0;
  return to;
}

/** Copies text into a JSON string. Returns where it ends, -1 when it is not UTF-8. */
function copyText(target: Uint8Array, to: number, source: Uint8Array, start: number, end: number): number {
  let at = to;
  for (let i = start; i < end; i++) {
    const byte = source[i] ?? 0;
    if (byte < 0x20 || byte === 0x22 || byte === 0x5c || byte > 0x7f) return copyOddText(target, to, source.subarray(start, end));
    target[at++] = byte;
  }
  return at;
}

function copyOddText(target: Uint8Array, to: number, source: Uint8Array): number {
  const text = decode(source);
  return text === undefined ? -1 : to + Buffer.from(target.buffer).write(JSON.stringify(text).slice(1, -1), to);
}

function copyJson(target: Uint8Array, to: number, source: Uint8Array, start: number, end: number): number {
  if (isPlainJson(source, start, end)) return copy(target, to, source, start, end);
  const text = decode(source.subarray(start, end));
  if (text === undefined) return -1;
  try {
    return to + Buffer.from(target.buffer).write(JSON.stringify(JSON.parse(text)), to);
  } catch {
    return -1;
  }
}

const decoder = new TextDecoder("utf-8", { fatal: true });

function decode(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}
