import { BusbarError, Message, clearsRetained, formatPayload, topicOf, type Entry, type Envelope, type Qos } from "@busbar/core";
import { clearFlag, entryFlags, entryReceived, entrySize, entryTime, headerSize, replaceFlag, retainFlag } from "./entry-layout.ts";

/** Most bytes of one pack; a batch beyond it is refused rather than held in memory twice. */
const packLimit = 512 * 1024 * 1024;

/** Messages being packed into one buffer that can be handed to another thread. */
export class Pack {
  #buffer: Buffer;
  #length = 0;
  #count = 0;

  constructor(buffer: ArrayBuffer = new ArrayBuffer(64 * 1024)) {
    this.#buffer = Buffer.from(buffer);
  }

  /** Bytes in use. */
  get length(): number {
    return this.#length;
  }

  /** Messages in it. */
  get count(): number {
    return this.#count;
  }

  /** The whole buffer, to be transferred; the pack must not be used afterwards. */
  get buffer(): ArrayBuffer {
    return this.#buffer.buffer as ArrayBuffer;
  }

  /** @throws {BusbarError} TOO_LARGE when the pack would exceed 512 MiB. */
  add(message: Envelope): void {
    for (let end = packEntry(this.#buffer, this.#length, message); ; end = packEntry(this.#buffer, this.#length, message)) {
      if (end > 0) {
        this.#length = end;
        this.#count++;
        return;
      }
      if (this.#buffer.length >= packLimit) throw new BusbarError("TOO_LARGE", `Cannot store a batch of more than ${packLimit} bytes`);
      const larger = Buffer.from(new ArrayBuffer(this.#buffer.length * 2));
      larger.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = larger;
    }
  }
}

/** Writes one message at `at`. Returns the place after it, or -1 when there is not room enough. */
function packEntry(target: Buffer, at: number, message: Envelope): number {
  const { type, msgid, from, to, replace } = message;
  if (at + headerSize + type.length + from.length + to.length + msgid.length * 3 + (replace === undefined ? 0 : 1 + replace.length * 3) > target.length) return -1;
  let end = at + headerSize;
  // type, from and to are ASCII by WIRE §1
  target[at + 29] = target.write(type, end, "latin1");
  end += type.length;
  const msgidLength = target.write(msgid, end, "utf8");
  target[at + 30] = msgidLength;
  end += msgidLength;
  target.writeUInt16LE(target.write(from, end, "latin1"), at + 31);
  end += from.length;
  target.writeUInt16LE(target.write(to, end, "latin1"), at + 33);
  end += to.length;
  if (replace !== undefined) end += 1 + (target[end] = target.write(replace, end + 1, "utf8"));
  end = message instanceof Message ? message.writePayload(target, end) : writeText(target, end, formatPayload(message.payload));
  if (end < 0) return -1;
  target.writeDoubleLE(message.timestamp, at + 4);
  target.writeDoubleLE(message.received, at + 12);
  target.writeDoubleLE(message.expires ?? Number.NaN, at + 20);
  target[at + 28] = message.qos | (replace === undefined ? 0 : replaceFlag) | (message.retain ? retainFlag | (clearsRetained(message.payload) ? clearFlag : 0) : 0);
  target.writeUInt32LE(end - at, at);
  return end;
}

function writeText(target: Buffer, at: number, text: string): number {
  return text.length * 3 > target.length - at ? -1 : at + target.write(text, at, "utf8");
}

/** The message of the entry at `at`; its payload is parsed when somebody asks for it, so it keeps `bytes` alive. */
export function unpackMessage(bytes: Buffer, at: number): Message {
  let end = at + headerSize;
  const take = (length: number, encoding: "latin1" | "utf8"): string => bytes.toString(encoding, end, (end += length));
  const type = take(bytes[at + 29]!, "latin1");
  const msgid = take(bytes[at + 30]!, "utf8");
  const from = take(bytes.readUInt16LE(at + 31), "latin1");
  const to = take(bytes.readUInt16LE(at + 33), "latin1");
  const flags = entryFlags(bytes, at);
  const expires = bytes.readDoubleLE(at + 20);
  const replace = (flags & replaceFlag) === 0 ? undefined : take(bytes[end++]!, "utf8");
  const message = Message.fromJsonBytes(type, from, to, msgid, entryTime(bytes, at), (flags & 3) as Qos, (flags & retainFlag) !== 0, Number.isNaN(expires) ? undefined : expires, bytes, end, at + entrySize(bytes, at));
  message.topic = topicOf(type, from, to);
  message.received = entryReceived(bytes, at);
  message.replace = replace;
  return message;
}

/** Entries as the worker hands them back: for each its offset (f64) and the entry. */
export function unpackEntries(buffer: ArrayBuffer): Entry[] {
  const bytes = Buffer.from(buffer);
  const entries: Entry[] = [];
  for (let at = 0; at < bytes.length; at += 8 + entrySize(bytes, at + 8)) entries.push({ offset: bytes.readDoubleLE(at), message: unpackMessage(bytes, at + 8) });
  return entries;
}
