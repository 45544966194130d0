import type { Socket } from "node:net";
import { measureWebSocket, PacketReader } from "../wires/packet-reader.ts";
import { createFields } from "./envelope.ts";
import type { EnvelopeFields } from "./envelope.ts";
import type { OutBuffer } from "./out-buffer.ts";

/** Serves an upgraded connection: `auth`, `subscribe` (to everything) and JSON envelopes of `status`. */
export function acceptWebSocket(socket: Socket, out: OutBuffer): void {
  let id: string | undefined;
  socket.setNoDelay(true);
  socket.on("error", () => socket.destroy());
  socket.on("close", () => out.subscribers.delete(socket));
  const reader = new PacketReader(measureWebSocket, (bytes, start, end) => {
    const text = unmask(bytes, start, end);
    if (((bytes[start] ?? 0) & 0x0f) !== 1) return;
    const message = JSON.parse(text);
    if (message.type === "auth") {
      id = message.deviceId;
      socket.write(textFrame(JSON.stringify({ type: "auth_response", status: "success", timestamp: Date.now() })));
    } else if (id === undefined) socket.destroy();
    else if (message.type === "subscribe") {
      socket.write(textFrame(JSON.stringify({ type: "subscribed", topic: message.topic, ref: message.ref })));
      out.subscribers.add(socket);
    } else if (message.from === id && out.append(fieldsOf(message))) return;
    else socket.destroy();
  });
  socket.on("data", (chunk) => reader.push(chunk, chunk.length));
}

function unmask(bytes: Uint8Array, start: number, end: number): string {
  const length = (bytes[start + 1] ?? 0) & 0x7f;
  const key = start + (length < 126 ? 2 : length === 126 ? 4 : 10);
  const payload = Buffer.from(bytes.subarray(key + 4, end));
  for (let i = 0; i < payload.length; i++) payload[i] = (payload[i] ?? 0) ^ (bytes[key + (i & 3)] ?? 0);
  return payload.toString();
}

function textFrame(text: string): Uint8Array {
  const payload = Buffer.from(text);
  return Uint8Array.from([0x81, ...(payload.length < 126 ? [payload.length] : [126, payload.length >> 8, payload.length & 0xff]), ...payload]);
}

/** Lays the parts of a JSON envelope end to end, in the form that a protobuf one is decoded into. */
function fieldsOf(message: Readonly<Record<string, unknown>>): EnvelopeFields {
  const parts = ["1.0", message["msgid"], message["from"], message["to"] ?? "", message["type"]].map((part) => Buffer.from(String(part)));
  const json = Buffer.from(JSON.stringify(message["payload"]));
  const fields = createFields();
  fields.bytes = Buffer.concat([...parts, json]);
  const ends = parts.reduce<number[]>((list, part) => [...list, (list.at(-1) ?? 0) + part.length], []);
  [fields.verEnd, fields.msgidEnd, fields.fromEnd, fields.toEnd, fields.typeEnd] = ends as [number, number, number, number, number];
  fields.msgidAt = fields.verEnd;
  fields.fromAt = fields.msgidEnd;
  fields.toAt = fields.fromEnd;
  fields.typeAt = fields.toEnd;
  fields.jsonAt = fields.typeEnd;
  fields.jsonEnd = fields.bytes.length;
  fields.timestamp = Number(message["timestamp"]);
  return fields;
}
