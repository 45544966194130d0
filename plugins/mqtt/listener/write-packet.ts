import { clearsRetained, type Message, type Slab } from "@busbar/core";

/** How a message is said (MQTT 3.1.1 §3.3.1). */
export interface PublishForm {
  readonly topic: string;
  readonly qos: number;
  /** Its packet id; 0 at qos 0. */
  readonly id: number;
  readonly dup: boolean;
  readonly retain: boolean;
}

/** A PUBLISH packet, in a piece of the slab. A retained message that clears its topic is an empty payload. */
export function writePublish(message: Message, { topic, qos, id, dup, retain }: PublishForm, slab: Slab): Uint8Array {
  const clears = message.retain && clearsRetained(message.payload);
  const size = clears ? 0 : message.payloadSize();
  const length = 2 + topic.length + (qos > 0 ? 2 : 0) + size; // a topic is ASCII
  const buffer = slab.reserve(5 + length);
  let at = slab.at;
  buffer[at++] = 0x30 | (dup ? 8 : 0) | (qos << 1) | (retain ? 1 : 0);
  let rest = length;
  for (; rest > 0x7f; rest >>>= 7) buffer[at++] = (rest & 0x7f) | 0x80;
  buffer[at++] = rest;
  at = buffer.writeUInt16BE(topic.length, at);
  at += buffer.write(topic, at, "latin1");
  if (qos > 0) at = buffer.writeUInt16BE(id, at);
  if (clears) return slab.take(at);
  const plain = message.payloadBytes();
  if (plain) buffer.set(plain, at);
  else if (message.writePayload(buffer, at) < 0) buffer.write(message.payloadText(), at, "utf8");
  return slab.take(at + size);
}

/** CONNACK of MQTT 3.1.1 (§3.2): 0 accepted, 1 protocol version, 2 client id, 3 unavailable, 4 user name or password, 5 not authorized. */
export function writeConnack(code: number, sessionPresent = false): Uint8Array {
  return new Uint8Array([0x20, 2, sessionPresent ? 1 : 0, code]);
}

/** CONNACK for who asks for MQTT 5.0: 0x84, unsupported protocol version (MQTT 5.0 §3.2.2.2). */
export function writeConnack5(): Uint8Array {
  return new Uint8Array([0x20, 3, 0, 0x84, 0]);
}

/** The first bytes of the packets that are just a packet id. */
const firstBytes = { puback: 0x40, pubrec: 0x50, pubrel: 0x62, pubcomp: 0x70, unsuback: 0xb0 } as const;

/** A packet that is just a packet id (§3.4 to §3.7, §3.11). */
export function writeAck(kind: keyof typeof firstBytes, id: number): Uint8Array {
  return new Uint8Array([firstBytes[kind], 2, id >> 8, id & 255]);
}

/** SUBACK (§3.9): for each filter the QoS that is granted, or 0x80. */
export function writeSuback(id: number, codes: readonly number[]): Uint8Array {
  const length = 2 + codes.length;
  const head = length < 0x80 ? [0x90, length] : [0x90, (length & 0x7f) | 0x80, length >> 7];
  return new Uint8Array([...head, id >> 8, id & 255, ...codes]);
}

/** PINGRESP (§3.13). */
export function writePingresp(): Uint8Array {
  return new Uint8Array([0xd0, 0]);
}
