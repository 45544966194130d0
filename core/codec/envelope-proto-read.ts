import { checkMessage, decodePayload, Message, type Qos, type SignatureFields } from "../envelope.ts";
import { BusbarError } from "../errors.ts";
import { isJson } from "./json-check.ts";
import { maxPayloadDepth } from "./envelope-json.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Bytes of what may be remembered: as many as an id may have. */
const longestRemembered = 256;

/** A string that was read before, with the bytes it was read from: most messages of a connection repeat their type, from and to. */
class Remembered {
  text: string;
  bytes: Uint8Array = new Uint8Array(0);

  constructor(text: string) {
    this.text = text;
  }

  read(bytes: Uint8Array, start: number, end: number): string {
    const known = this.bytes;
    if (known.length === end - start) {
      let at = 0;
      while (at < known.length && known[at] === bytes[start + at]) at++;
      if (at === known.length) return this.text;
    }
    if (end - start > longestRemembered) return readString(bytes, start, end); // no id is as long: it will be refused, and is not kept until then
    this.text = readString(bytes, start, end);
    this.bytes = Uint8Array.from(bytes.subarray(start, end)); // a copy: slice() of a Buffer would hold on to the whole chunk
    return this.text;
  }
}

/**
 * Reads `busbar.v1.Envelope` from protobuf (protobuf.dev/programming-guides/encoding) straight into a Message. It is the hot path of every binary listener, so it is
 * written out for this one message type; everything else goes through the compiled or the generated code. One per connection.
 */
export class EnvelopeReader {
  readonly #type = new Remembered("");
  readonly #from = new Remembered("");
  readonly #to = new Remembered("server");
  /** Of the last message, as it came: the message itself would keep its bytes alive, and the bus fills in its `from`. */
  #lastType = "";
  #lastFrom = "";
  #lastTo = "";
  /** Where the submessage that `enter` entered ends. */
  end = 0;
  #at = 0;

  /** Reads the length at `at` and returns where the submessage begins; `end` is where it ends. @throws {SyntaxError} when it does not fit. */
  enter(bytes: Uint8Array, at: number, limit: number): number {
    this.#at = at;
    const length = this.#varint(bytes, limit);
    if (!(length <= limit - this.#at)) throw new SyntaxError(`Cannot decode the frame: ${length} bytes are announced at byte ${at}, ${limit - this.#at} are there`);
    this.end = this.#at + length;
    return this.#at;
  }

  /**
   * @throws {SyntaxError} when the bytes are no Envelope.
   * @throws {BusbarError} BAD_FRAME when a field has a value it may not have.
   */
  read(bytes: Uint8Array, start: number, end: number): Message {
    let type = "";
    let from = "";
    let to = "server";
    let msgid = "";
    let timestamp = 0;
    let qos = 0;
    let retain = false;
    let expires: number | undefined;
    let replace: string | undefined;
    let mac: Uint8Array | undefined;
    let nonce: string | undefined;
    let signedAt: number | undefined;
    let json = -1;
    let jsonEnd = 0;
    let data: Uint8Array | undefined;
    this.#at = start;
    while (this.#at < end) {
      const tag = this.#varint(bytes, end);
      if (!(tag >= 8 && tag <= 0xffffffff)) throw new SyntaxError(`Cannot decode the envelope: the tag before byte ${this.#at} has no field number, or more than 32 bits`);
      if ((tag & 7) === 2) {
        const length = this.#varint(bytes, end);
        const at = this.#at;
        const next = at + length;
        if (!(next <= end)) throw new SyntaxError(`Cannot decode the envelope: field ${tag >>> 3} at byte ${at} is cut off`);
        this.#at = next;
        switch (tag >>> 3) {
          case 1:
            if (length > 0 && !(bytes[at] === 0x31 && (length === 1 || bytes[at + 1] === 0x2e))) throw new BusbarError("BAD_FRAME", 'Cannot use the field "ver": it must be "1.0"');
            break;
          case 2: msgid = readString(bytes, at, next); break;
          case 4: if (length > 0) from = this.#from.read(bytes, at, next); break;
          case 5: if (length > 0) to = this.#to.read(bytes, at, next); break;
          case 6: type = this.#type.read(bytes, at, next); break;
          case 7:
            json = at;
            jsonEnd = next;
            data = undefined;
            break;
          case 8:
            data = new Uint8Array(bytes.buffer, bytes.byteOffset + at, length);
            json = -1;
            break;
          case 13: if (length > 0) replace = readString(bytes, at, next); break;
          case 14: mac = Uint8Array.from(bytes.subarray(at, next)); break;
          case 15: nonce = readString(bytes, at, next); break;
        }
      } else if ((tag & 7) === 0) {
        const value = this.#varint(bytes, end);
        switch (tag >>> 3) {
          case 3: timestamp = value; break;
          case 9: qos = value; break;
          case 10: retain = value !== 0; break;
          case 12: expires = value; break;
          case 16: signedAt = value; break;
        }
      } else {
        this.#skip(tag, end);
      }
    }
    if (type === "control") type = "command";
    const signature = mac === undefined && nonce === undefined ? undefined : { mac, nonce, signedAt };
    if (json >= 0) {
      if (!isJson(bytes, json, jsonEnd, maxPayloadDepth)) throw new BusbarError("BAD_FRAME", `Cannot use the payload: it is not JSON nested at most ${maxPayloadDepth} levels deep`);
      if (mayStandForBytes(bytes, json, jsonEnd)) decodePayload(JSON.parse(utf8.decode(bytes.subarray(json, jsonEnd))));
      return this.#check(Message.fromJsonBytes(type, from, to, msgid, timestamp, qos as Qos, retain, expires, bytes, json, jsonEnd), replace, signature);
    }
    return this.#check(new Message(type, from, to, msgid, timestamp, qos as Qos, retain, expires, data ?? null), replace, signature);
  }

  /** Checks every field; ids and type only when they are not the very strings of the last message. */
  #check(message: Message, replace: string | undefined, signature: SignatureFields | undefined): Message {
    message.replace = replace;
    if (signature !== undefined) message.signature = signature;
    if (
      message.type !== this.#lastType || message.from !== this.#lastFrom || message.to !== this.#lastTo || message.type === "" || !(message.qos <= 2) || message.expires !== undefined ||
      message.msgid.length > 21 || replace !== undefined || !(message.timestamp <= 8_640_000_000_000_000)
    ) {
      checkMessage(message);
      this.#lastType = message.type;
      this.#lastFrom = message.from;
      this.#lastTo = message.to;
    }
    return message;
  }

  /** A varint of up to 10 bytes, as a number; beyond 2^63 (a negative int64) it gives NaN, which no field accepts. */
  #varint(bytes: Uint8Array, end: number): number {
    let at = this.#at;
    let value = 0;
    let scale = 1;
    for (let count = 0; at < end && count < 10; count++) {
      const byte = bytes[at++]!;
      if (count < 4) value |= (byte & 127) << (7 * count);
      else {
        if (count === 4) scale = 2 ** 28;
        value += (byte & 127) * scale;
        scale *= 128;
      }
      if (byte < 128) {
        this.#at = at;
        return value < 2 ** 63 ? value : Number.NaN;
      }
    }
    throw new SyntaxError(`Cannot decode the envelope: the varint at byte ${this.#at} does not end`);
  }

  #skip(tag: number, end: number): void {
    const size = (tag & 7) === 1 ? 8 : (tag & 7) === 5 ? 4 : -1;
    if (size < 0 || this.#at + size > end) throw new SyntaxError(`Cannot decode the envelope: unknown field ${tag >>> 3} at byte ${this.#at}`);
    this.#at += size;
  }
}

/** Whether this JSON is an object whose first key may be `$base64`, which can be written with escapes, too: only such a payload is worth parsing to find out. */
function mayStandForBytes(json: Uint8Array, start: number, end: number): boolean {
  let at = afterSpace(json, start, end);
  if (json[at] !== 0x7b) return false;
  at = afterSpace(json, at + 1, end);
  return json[at] === 0x22 && (json[at + 1] === 0x24 || json[at + 1] === 0x5c);
}

function afterSpace(json: Uint8Array, at: number, end: number): number {
  while (at < end && (json[at] === 0x20 || json[at] === 0x0a || json[at] === 0x0d || json[at] === 0x09)) at++;
  return at;
}

/** Short ASCII strings are built here; the rest goes through TextDecoder, which costs more per call than such a string. */
function readString(bytes: Uint8Array, start: number, end: number): string {
  if (end - start <= 24) {
    let text = "";
    let at = start;
    for (; at < end; at++) {
      const byte = bytes[at]!;
      if (byte >= 128) break;
      text += String.fromCharCode(byte);
    }
    if (at === end) return text;
  }
  try {
    return utf8.decode(bytes.subarray(start, end));
  } catch (error) {
    throw new SyntaxError(`Cannot decode the string at byte ${start}: it is not UTF-8`, { cause: error });
  }
}
