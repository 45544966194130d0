import type { Message } from "../envelope.ts";
import { Slab } from "./slab.ts";

const slab = new Slab();
const ascii = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));

const opening = ascii('{"ver":"1.0","msgid":"');
const timestampKey = ascii('","timestamp":');
const tails = [0, 1, 2].map((qos) => [ascii(`,"qos":${qos},"retain":false`), ascii(`,"qos":${qos},"retain":true`)] as const);
const offsetKey = ascii(',"offset":');
const expiresKey = ascii(',"expires":');
const replaceKey = ascii(',"replace":"');

/** The middle of the envelope, which messages of one source share. */
interface Middle {
  readonly type: string;
  readonly from: string;
  readonly to: string;
  readonly bytes: Uint8Array;
}

const maxMiddles = 4096;
let middles = new Map<string, Middle>();
let lastMiddle: Middle = { type: "", from: "", to: "", bytes: ascii("") };

let lastMessage: Message | undefined;
let lastOffset: number | undefined;
let lastBytes: Uint8Array;

/**
 * An envelope as JSON, `{"ver","msgid","timestamp","from","to","type","payload","qos","retain"}` with `expires`, `replace` and `offset` where it has them. Encoded once however many
 * sessions ask for it one after the other; written byte by byte into a slab, as the many small writes of a generic encoder cost more than all else.
 */
export function encodeEnvelopeJson(message: Message, offset: number | undefined): Uint8Array {
  if (message === lastMessage && offset === lastOffset) return lastBytes;
  const middle = middleOf(message);
  let room = 1024;
  let bytes = tryEncode(message, offset, middle, room);
  while (bytes === undefined) bytes = tryEncode(message, offset, middle, (room *= 8));
  lastMessage = message;
  lastOffset = offset;
  return (lastBytes = bytes);
}

function middleOf({ type, from, to }: Message): Uint8Array {
  const last = lastMiddle;
  if (last.from === from && last.type === type && last.to === to) return last.bytes;
  const known = middles.get(from);
  if (known && known.type === type && known.to === to) return (lastMiddle = known).bytes;
  if (middles.size >= maxMiddles) middles = new Map();
  lastMiddle = { type, from, to, bytes: ascii(`,"from":"${from}","to":"${to}","type":"${type}","payload":`) }; // ids and types need no escapes
  middles.set(from, lastMiddle);
  return lastMiddle.bytes;
}

function tryEncode(message: Message, offset: number | undefined, middle: Uint8Array, room: number): Uint8Array | undefined {
  const fixed = 400 + middle.length + message.msgid.length * 6;
  const buffer = slab.reserve(fixed + room);
  let at = copy(opening, buffer, slab.at);
  at = writeText(message.msgid, buffer, at);
  at = copy(timestampKey, buffer, at);
  at = writeInteger(message.timestamp, buffer, at);
  buffer.set(middle, at);
  at += middle.length;
  at = message.writePayload(buffer, at);
  if (at < 0 || buffer.length - at < 200) return undefined;
  at = copy(tails[message.qos]![message.retain ? 1 : 0], buffer, at);
  if (message.expires !== undefined) at = writeInteger(message.expires, buffer, copy(expiresKey, buffer, at));
  if (message.replace !== undefined) {
    if (buffer.length - at < 600) return undefined; // 64 bytes may become 384, and the offset follows
    at = writeText(message.replace, buffer, copy(replaceKey, buffer, at));
    buffer[at++] = 0x22;
  }
  if (offset !== undefined) at = writeInteger(offset, buffer, copy(offsetKey, buffer, at));
  buffer[at++] = 0x7d;
  return slab.take(at);
}

function copy(source: Uint8Array, target: Uint8Array, at: number): number {
  for (let i = 0; i < source.length; i++) target[at++] = source[i]!;
  return at;
}

/** The inside of a JSON string: plain ASCII byte by byte, anything else through JSON.stringify. */
function writeText(text: string, target: Buffer, at: number): number {
  const start = at;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 || code > 0x7e || code === 0x22 || code === 0x5c) return start + target.write(JSON.stringify(text).slice(1, -1), start, "utf8");
    target[at++] = code;
  }
  return at;
}

/** A whole number from 0 to 2^53 in decimal digits. */
function writeInteger(value: number, target: Uint8Array, at: number): number {
  let length = 1;
  for (let limit = 10; limit <= value; limit *= 10) length++;
  const end = at + length;
  // Two halves, so that the digits come out of small integers.
  let high = value >= 1e8 ? Math.floor(value / 1e8) : 0;
  let low = value - high * 1e8;
  let place = end;
  for (let i = 0; i < 8 && place > at; i++) {
    target[--place] = 0x30 + (low % 10);
    low = (low / 10) | 0;
  }
  while (place > at) {
    target[--place] = 0x30 + (high % 10);
    high = Math.floor(high / 10);
  }
  return end;
}
