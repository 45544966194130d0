import { BusbarError } from "./errors.ts";
import { isId, isType, topicOf } from "./topic.ts";

/** MQTT's levels of delivery: 0 at most once, 1 at least once, 2 exactly once. */
export type Qos = 0 | 1 | 2;

/**
 * One message (WIRE §1). Read-only and shared: everyone who subscribed sees the same object, nobody may change it or its payload.
 * `payload` is any JSON value, or a Uint8Array.
 */
export interface Envelope<P = unknown> {
  readonly ver: "1.0";
  /** 1–64 bytes, unique per sender: the sender's idempotency key. */
  readonly msgid: string;
  /** Milliseconds since the Unix epoch, UTC: when it happened at the source. */
  readonly timestamp: number;
  /** Who says it: stamped by the bus or checked against who is authenticated, never merely claimed. */
  readonly from: string;
  /** Whom it is for; "server" = nobody in particular. */
  readonly to: string;
  /** `status`, `command`, `event`, `ack`, or a plugin's own token `[a-z][a-z0-9-]{0,31}`. */
  readonly type: string;
  readonly payload: P;
  readonly qos: Qos;
  /** Keep as the last value of its topic; a retained `null` or empty bytes forgets it. */
  readonly retain: boolean;
  /** Derived: `type/(to is "server" ? from : to)`. */
  readonly topic: string;
  /** Milliseconds since the Unix epoch on the gateway's clock: when it arrived. */
  readonly received: number;
  /** Milliseconds since the Unix epoch after which it is of no use to anybody; absent = never. */
  readonly expires?: number | undefined;
  /** 1–64 bytes, of a command: one of the same `to` and `replace` that comes later takes its place as long as it has not been sent. */
  readonly replace?: string | undefined;
}

/** A message as somebody hands it to the bus: only `type` and `payload` are needed, the bus fills in the rest. The bus owns it from then on. */
export interface Draft<P = unknown> {
  readonly type: string;
  readonly payload: P;
  /** Default: the holder of the bus. */
  readonly from?: string | undefined;
  /** Default "server". */
  readonly to?: string | undefined;
  /** Default: minted. */
  readonly msgid?: string | undefined;
  /** Default: now. */
  readonly timestamp?: number | undefined;
  /** Default 0. */
  readonly qos?: Qos | undefined;
  /** Default false. */
  readonly retain?: boolean | undefined;
  readonly expires?: number | undefined;
  readonly replace?: string | undefined;
}

/** The signature of a message as it came (WIRE §6): nothing of it is checked yet. */
export interface SignatureFields {
  readonly mac: unknown;
  readonly nonce: unknown;
  readonly signedAt: unknown;
}

const noBytes = new Uint8Array(0);
const unread = Symbol("not parsed yet");
const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * The one implementation of Envelope. Codecs build it straight from bytes; its payload stays JSON bytes or text until somebody
 * reads `payload`, so a message that is only passed on is never parsed. `topic` and `received` are set once, by the bus.
 */
export class Message implements Envelope {
  readonly kind = "message" as const;
  readonly type: string;
  msgid: string;
  timestamp: number;
  from: string;
  to: string;
  qos: Qos;
  retain: boolean;
  expires: number | undefined;
  /** Set after construction, before it reaches the bus: few messages have one. */
  replace: string | undefined = undefined;
  /** Until the session has verified it: it goes no further. */
  signature: SignatureFields | undefined = undefined;
  topic = "";
  received = 0;
  #value: unknown;
  #text: string | undefined;
  #bytes: Uint8Array = noBytes;
  #start = 0;
  #end = 0;

  /** Takes the fields as they are: whoever calls it has checked them (`checkMessage`). An empty `msgid`, `from` or a `timestamp` of 0 is filled in by the bus. */
  constructor(type: string, from: string, to: string, msgid: string, timestamp: number, qos: Qos, retain: boolean, expires: number | undefined, payload: unknown) {
    this.type = type;
    this.msgid = msgid;
    this.timestamp = timestamp;
    this.from = from;
    this.to = to;
    this.qos = qos;
    this.retain = retain;
    this.expires = expires;
    this.#value = payload;
  }

  /** A message whose payload is the JSON text at `bytes[start..end)`, known to be valid (`isJson`). The bytes must not change as long as the message lives. */
  static fromJsonBytes(type: string, from: string, to: string, msgid: string, timestamp: number, qos: Qos, retain: boolean, expires: number | undefined, bytes: Uint8Array, start: number, end: number): Message {
    const message = new Message(type, from, to, msgid, timestamp, qos, retain, expires, unread);
    message.#bytes = bytes;
    message.#start = start;
    message.#end = end;
    return message;
  }

  /** A message whose payload is JSON text known to be valid. */
  static fromJsonText(draft: Draft, text: string): Message {
    const message = new Message(draft.type, draft.from ?? "", draft.to ?? "server", draft.msgid ?? "", draft.timestamp ?? 0, draft.qos ?? 0, draft.retain ?? false, draft.expires, unread);
    message.replace = draft.replace;
    message.#text = text;
    return message;
  }

  get ver(): "1.0" {
    return "1.0";
  }

  get payload(): unknown {
    if (this.#value === unread) this.#value = fromJson(this.payloadText());
    return this.#value;
  }

  /** The payload as JSON text; bytes as `{"$base64":"…"}`. Made once. */
  payloadText(): string {
    return (this.#text ??= this.#end > 0 ? decoder.decode(this.#bytes.subarray(this.#start, this.#end)) : formatPayload(this.#value));
  }

  /** The payload when it is plain bytes, else undefined; JSON is not parsed to find out. */
  payloadBytes(): Uint8Array | undefined {
    return this.#value instanceof Uint8Array ? this.#value : undefined;
  }

  /** How long the payload is: its bytes when it is plain bytes, else its JSON in UTF-8. */
  payloadSize(): number {
    if (this.#end > 0) return this.#end - this.#start;
    return this.payloadBytes()?.length ?? Buffer.byteLength(this.payloadText());
  }

  /** Writes the payload as JSON, UTF-8, to `target` from `at` on. Returns the place after it, or -1 when there is not room enough. */
  writePayload(target: Buffer, at: number): number {
    if (this.#end > 0) {
      const length = this.#end - this.#start;
      if (length > target.length - at) return -1;
      const source = this.#bytes;
      if (length > 64) target.set(source.subarray(this.#start, this.#end), at);
      else for (let from = this.#start, to = at; from < this.#end; ) target[to++] = source[from++]!;
      return at + length;
    }
    const text = this.payloadText();
    if (text.length * 3 > target.length - at) return -1;
    return at + target.write(text, at, "utf8");
  }

  /** From now on the payload is said as this JSON text, which means the same. Not for one of plain bytes. */
  restate(text: string): void {
    this.#text = text;
    this.#bytes = noBytes;
    this.#end = 0;
  }

  /** Lets go of the bytes the message was read from, for one that is kept longer than it takes to pass it on. */
  detach(): this {
    if (this.#end > 0) {
      this.payloadText();
      this.#bytes = noBytes;
      this.#end = 0;
    }
    if (this.#value instanceof Uint8Array && this.#value.buffer.byteLength > this.#value.byteLength) this.#value = new Uint8Array(this.#value); // not slice(): a Buffer's does not copy
    return this;
  }
}

/**
 * Makes a message of a draft. What is absent and has no fixed default stays empty for the bus to fill in.
 * @throws {BusbarError} BAD_FRAME when a field is not what WIRE §1 says.
 */
export function createMessage(draft: Draft): Message {
  if (draft instanceof Message) return draft;
  const message = new Message(draft.type, draft.from ?? "", draft.to ?? "server", draft.msgid ?? "", draft.timestamp ?? 0, draft.qos ?? 0, draft.retain ?? false, draft.expires, draft.payload ?? null);
  message.replace = draft.replace;
  checkMessage(message);
  return message;
}

/**
 * Checks the fields that came from outside; `from`, `msgid` and `timestamp` may still be empty.
 * @throws {BusbarError} BAD_FRAME naming the first field that is wrong.
 */
export function checkMessage(message: Message): void {
  const { type, from, to, msgid, timestamp, qos, expires, replace } = message;
  if (typeof type !== "string" || !isType(type)) bad("type", type, "a token [a-z][a-z0-9-]{0,31}");
  if (typeof from !== "string" || (from !== "" && !isId(from))) bad("from", from, "an id of 1-256 bytes");
  if (typeof to !== "string" || (to !== "server" && !isId(to))) bad("to", to, "an id of 1-256 bytes");
  if (!isShortText(msgid)) bad("msgid", msgid, "1-64 bytes of UTF-8");
  if (!isTime(timestamp)) bad("timestamp", timestamp, "milliseconds since the Unix epoch");
  if (qos !== 0 && qos !== 1 && qos !== 2) bad("qos", qos, "0, 1 or 2");
  if (expires !== undefined && !isTime(expires)) bad("expires", expires, "milliseconds since the Unix epoch");
  if (replace !== undefined && (replace === "" || !isShortText(replace))) bad("replace", replace, "1-64 bytes of UTF-8");
}

/** At most 64 bytes of UTF-8. */
function isShortText(value: unknown): boolean {
  return typeof value === "string" && value.length <= 64 && (value.length <= 21 || Buffer.byteLength(value) <= 64) && value.isWellFormed();
}

/** The range of a JavaScript Date, from the epoch on (ECMA-262 §21.4.1.1). */
function isTime(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 8_640_000_000_000_000;
}

function bad(field: string, value: unknown, wanted: string): never {
  throw new BusbarError("BAD_FRAME", `Cannot use ${JSON.stringify(typeof value === "string" ? value.slice(0, 80) : value) ?? String(value)} as ${field}: it is not ${wanted}`);
}

/** Fills in what the bus knows: topic, arrival, and whatever the sender left out. */
export function completeMessage(message: Message, defaults: { readonly from: string; readonly now: number; readonly mint: () => string }): void {
  if (message.from === "") message.from = defaults.from;
  if (message.msgid === "") message.msgid = defaults.mint();
  if (message.timestamp === 0) message.timestamp = defaults.now;
  if (message.received === 0) message.received = defaults.now;
  if (message.topic === "") message.topic = topicOf(message.type, message.from, message.to);
}

/** How many bytes the payload of a message has: plain bytes as they are, anything else as JSON in UTF-8. */
export function payloadSize(message: Envelope): number {
  return message instanceof Message ? message.payloadSize() : Buffer.byteLength(formatPayload(message.payload));
}

/** Makes ids that are unique per process and start: a prefix drawn at start and a counter. */
export function createMinter(): () => string {
  const boot = Date.now().toString(36) + Math.floor(Math.random() * 36 ** 4).toString(36).padStart(4, "0");
  let count = 0;
  return () => boot + "-" + (++count).toString(36);
}

/** A payload as JSON text: bytes as `{"$base64":"…"}`, a bigint as a decimal string (WIRE §1). */
export function formatPayload(payload: unknown): string {
  if (payload instanceof Uint8Array) return `{"$base64":"${Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString("base64")}"}`;
  try {
    return JSON.stringify(payload) ?? "null";
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return JSON.stringify(payload, (_key, value: unknown) => (typeof value === "bigint" ? value.toString() : value)) ?? "null"; // TypeError again for a cycle
  }
}

/** What `formatPayload` wrote: an object that is just `{"$base64":"…"}` becomes bytes again. Lenient; for what comes from a peer there is `decodePayload`. */
export function parsePayload(value: unknown): unknown {
  return isBase64Object(value) ? new Uint8Array(Buffer.from(value.$base64, "base64")) : value;
}

/**
 * The same for a payload that comes from a peer.
 * @throws {BusbarError} BAD_FRAME when what stands for bytes is no base64 (RFC 4648 §4, with padding): a decoder that is not strict would make up other bytes.
 */
export function decodePayload(value: unknown): unknown {
  if (!isBase64Object(value)) return value;
  const bytes = Buffer.from(value.$base64, "base64");
  if (bytes.toString("base64") !== value.$base64) throw new BusbarError("BAD_FRAME", 'Cannot use the payload: "$base64" is not base64 with padding (RFC 4648 §4)');
  return new Uint8Array(bytes);
}

function isBase64Object(value: unknown): value is { readonly $base64: string } {
  return typeof value === "object" && value !== null && "$base64" in value && typeof value.$base64 === "string" && Object.keys(value).length === 1;
}

const fromJson = (text: string): unknown => parsePayload(JSON.parse(text));

/** The plain object that stands for an envelope in JSON, with `offset` where it has one (WIRE §1, §2). */
export function toJsonObject(message: Envelope, offset?: number): Record<string, unknown> {
  const { ver, msgid, timestamp, from, to, type, qos, retain, expires, replace } = message;
  const payload: unknown = isPlain(message.payload) ? message.payload : JSON.parse(formatPayload(message.payload));
  return { ver, msgid, timestamp, from, to, type, payload, qos, retain, ...(expires === undefined ? {} : { expires }), ...(replace === undefined ? {} : { replace }), ...(offset === undefined ? {} : { offset }) };
}

/** Whether JSON.stringify says it as `formatPayload` does: neither bytes nor a bigint anywhere. */
function isPlain(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return typeof value !== "bigint";
  return !(value instanceof Uint8Array) && Object.values(value).every(isPlain);
}
