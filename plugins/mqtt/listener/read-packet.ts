import type { Qos } from "@busbar/core";

/** What a client sends, as MQTT 3.1.1 §3 has it. Bytes lie in the frame's own buffer. */
export type ClientPacket =
  | ConnectPacket
  | PublishPacket
  | { readonly kind: "puback" | "pubrec" | "pubrel" | "pubcomp"; readonly id: number }
  | { readonly kind: "subscribe"; readonly id: number; readonly filters: readonly { readonly topic: string; readonly qos: Qos }[] }
  | { readonly kind: "unsubscribe"; readonly id: number; readonly topics: readonly string[] }
  | { readonly kind: "pingreq" | "disconnect" };

/** CONNECT (§3.1). `version` is the protocol level: 4 is MQTT 3.1.1; of any other nothing else is read. */
export interface ConnectPacket {
  readonly kind: "connect";
  readonly version: number;
  readonly clean: boolean;
  /** Seconds; 0 = none. */
  readonly keepAlive: number;
  readonly clientId: string;
  readonly will?: { readonly topic: string; readonly payload: Uint8Array; readonly qos: Qos; readonly retain: boolean } | undefined;
  readonly username?: string | undefined;
  readonly password?: Uint8Array | undefined;
}

/** PUBLISH (§3.3); the payload is `bytes[start..end)` of the frame. */
export interface PublishPacket {
  readonly kind: "publish";
  readonly topic: string;
  /** 0 at qos 0. */
  readonly id: number;
  readonly qos: Qos;
  readonly dup: boolean;
  readonly retain: boolean;
  readonly start: number;
  readonly end: number;
}

/** Filters that one SUBSCRIBE or UNSUBSCRIBE may have. */
const maxFilters = 1000;

/** Packet types by the upper half of the first byte (§2.2.1): name, and what its lower half must be (§2.2.2). */
const kinds: readonly (readonly [kind: ClientPacket["kind"], flags: number] | undefined)[] = [
  undefined, ["connect", 0], undefined, ["publish", -1], ["puback", 0], ["pubrec", 0], ["pubrel", 2], ["pubcomp", 0], ["subscribe", 2], undefined, ["unsubscribe", 2], undefined, ["pingreq", 0], undefined, ["disconnect", 0], undefined,
];

/**
 * Reads one whole control packet of a client at `bytes[start..end)`.
 * @throws {SyntaxError} when it is none, or breaks a rule of MQTT 3.1.1: the connection must then be closed (§4.8).
 */
export function readPacket(bytes: Uint8Array, start: number, end: number): ClientPacket {
  const first = bytes[start]!;
  const [kind, flags] = kinds[first >> 4] ?? broken(`a client does not send packets of type ${first >> 4}`);
  if (flags >= 0 && (first & 15) !== flags) broken(`the flags of ${kind} are ${first & 15} instead of ${flags}`);
  const reader = new PacketReader(bytes, bodyOf(bytes, start), end);
  switch (kind) {
    case "publish":
      return readPublish(reader, first);
    case "connect":
      return readConnect(reader);
    case "subscribe": {
      const id = reader.packetId();
      return { kind, id, filters: reader.filters(() => ({ topic: reader.text(), qos: reader.qos() })) };
    }
    case "unsubscribe": {
      const id = reader.packetId();
      return { kind, id, topics: reader.filters(() => reader.text()) };
    }
    case "pingreq":
    case "disconnect":
      reader.finish();
      return { kind };
    default: {
      const id = reader.packetId();
      reader.finish();
      return { kind, id };
    }
  }
}

function readPublish(reader: PacketReader, first: number): PublishPacket {
  const qos = (first >> 1) & 3;
  if (qos === 3) broken("QoS 3 does not exist");
  const dup = (first & 8) !== 0;
  if (dup && qos === 0) broken("DUP is set at QoS 0");
  const topic = reader.text();
  const id = qos > 0 ? reader.packetId() : 0;
  return { kind: "publish", topic, id, qos: qos as Qos, dup, retain: (first & 1) !== 0, start: reader.at, end: reader.end };
}

function readConnect(reader: PacketReader): ConnectPacket {
  const name = reader.text();
  const version = reader.byte();
  if (name === "MQIsdp" || (name === "MQTT" && version !== 4)) return { kind: "connect", version, clean: true, keepAlive: 0, clientId: "" };
  if (name !== "MQTT") broken("the protocol name is not MQTT");
  const flags = reader.byte();
  const qos = (flags >> 3) & 3;
  const hasWill = (flags & 4) !== 0;
  if ((flags & 1) !== 0) broken("the reserved flag of CONNECT is set");
  if (qos === 3 || (!hasWill && (flags & 0x38) !== 0)) broken("the will flags of CONNECT do not fit together");
  if ((flags & 0xc0) === 0x40) broken("CONNECT has a password without a user name");
  const keepAlive = reader.number();
  const clientId = reader.text();
  const will = hasWill ? { topic: reader.text(), payload: reader.bytes(), qos: qos as Qos, retain: (flags & 0x20) !== 0 } : undefined;
  const username = (flags & 0x80) !== 0 ? reader.text() : undefined;
  const password = (flags & 0x40) !== 0 ? reader.bytes() : undefined;
  reader.finish();
  return { kind: "connect", version, clean: (flags & 2) !== 0, keepAlive, clientId, will, username, password };
}

/** Where the variable header begins. */
function bodyOf(bytes: Uint8Array, start: number): number {
  let at = start + 1;
  while (bytes[at]! >= 0x80) at++;
  return at + 1;
}

function broken(what: string): never {
  throw new SyntaxError(`Cannot read an MQTT packet: ${what}`);
}

/** Reads the fields of one packet, front to back. */
class PacketReader {
  readonly end: number;
  readonly #bytes: Buffer;
  at: number;

  constructor(bytes: Uint8Array, at: number, end: number) {
    this.#bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = at;
    this.end = end;
  }

  byte(): number {
    if (this.at >= this.end) broken("it ends too early");
    return this.#bytes[this.at++]!;
  }

  number(): number {
    return this.byte() * 256 + this.byte();
  }

  /** 1–65,535 (§2.3.1). */
  packetId(): number {
    return this.number() || broken("the packet identifier is 0");
  }

  qos(): Qos {
    const qos = this.byte();
    return qos <= 2 ? (qos as Qos) : broken("a subscription asks for more than QoS 2");
  }

  bytes(): Uint8Array {
    const from = this.#skip();
    return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + from, this.at - from);
  }

  /** UTF-8 without NUL (§1.5.3). */
  text(): string {
    const from = this.#skip();
    const text = this.#bytes.toString("utf8", from, this.at);
    if (text.includes("\0") || (text.includes("\ufffd") && !Buffer.from(text).equals(this.#bytes.subarray(from, this.at)))) broken("a text is not UTF-8, or has a NUL in it");
    return text;
  }

  /** What is left, one filter after the other; at least one (§3.8.3, §3.10.3). */
  filters<T>(read: () => T): readonly T[] {
    const all: T[] = [];
    do {
      if (all.length === maxFilters) broken(`it has more than ${maxFilters} topic filters`);
      all.push(read());
    } while (this.at < this.end);
    return all;
  }

  finish(): void {
    if (this.at !== this.end) broken(`${this.end - this.at} bytes are too many`);
  }

  #skip(): number {
    const length = this.number();
    const from = this.at;
    if (length > this.end - from) broken("it ends within a text");
    this.at += length;
    return from;
  }
}
