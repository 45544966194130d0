/**
 * Protobuf over TCP or TLS, for Node and Deno (WIRE §3, codec `envelope`): `createClient({ url: "tcp://host:7000", transport: tcp(), … })`. It brings the codec of `@busbar/core` with it, which
 * the client itself does without.
 *
 * @module
 */
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls, type ConnectionOptions } from "node:tls";
import { compileMessage, createMessage, envelopeProto, errorText, Message, varintFraming } from "@busbar/core";
import { FrameSchema } from "@busbar/core/proto/gen/busbar/v1/envelope_pb.ts";
import type { ConnectionEvents, Transport, WireFrame } from "./connection.ts";
import { readPayload, type Outgoing } from "./envelope.ts";

/** How to connect. */
export interface TcpOptions {
  /** For `tls://` URLs: certificates and the like, as node:tls takes them. */
  readonly tls?: ConnectionOptions;
  /** Bytes of one frame that the gateway may send. Default 1 MiB. */
  readonly frameLimit?: number;
}

const frames = compileMessage(FrameSchema);
const saysGoodbye = FrameSchema.fields.some(({ name }) => name === "disconnect");

/** A transport for URLs such as `tcp://127.0.0.1:7000` and `tls://gateway:7001`. */
export function tcp(options: TcpOptions = {}): Transport {
  const { tls = {}, frameLimit = 1024 * 1024 } = options;
  return {
    open(url, events) {
      const { protocol, hostname, port } = new URL(url);
      if ((protocol !== "tcp:" && protocol !== "tls:") || port === "") throw new TypeError(`Cannot connect to "${url}": it must be such as tcp://127.0.0.1:7000`);
      const address = { host: hostname.replace(/^\[|\]$/g, ""), port: Number(port) };
      // RFC 6066 §3: an address is no server name; Deno refuses it.
      const socket = protocol === "tls:" ? connectTls({ ...(isIP(address.host) === 0 ? { servername: address.host } : {}), ...tls, ...address }) : connectTcp({ ...address, noDelay: true });
      return connectionOn(socket, events, { frameLimit, ready: protocol === "tls:" ? "secureConnect" : "connect" });
    },
  };
}

function connectionOn(socket: Socket, events: ConnectionEvents, { frameLimit, ready }: { readonly frameLimit: number; readonly ready: string }): ReturnType<Transport["open"]> {
  const codec = envelopeProto.create();
  const deframer = varintFraming.createDeframer(frameLimit);
  let open = true;
  let cause = "";
  const take = (bytes: Uint8Array, start: number, end: number): void => {
    const frame = toWire(frames.decode(bytes, start, end) as ProtoFrame);
    if (frame === undefined || !open) return;
    events.frame(frame);
  };
  const write = (bytes: Uint8Array | undefined): void => void (bytes && open && socket.writable && socket.write(varintFraming.frame(bytes)));
  socket.on(ready, () => open && events.opened());
  socket.on("data", (chunk: Uint8Array) => {
    try {
      deframer.push(chunk, take);
    } catch (error) {
      cause = errorText(error);
      socket.destroy();
    }
  });
  socket.on("error", (error) => (cause = error.message)); // "close" follows
  socket.on("close", () => {
    if (!open) return;
    open = false;
    events.closed(0, cause);
  });
  return {
    publish(messages) {
      socket.cork();
      for (const message of messages) write(message.mac === undefined ? codec.encodeMessage(toMessage(message), undefined) : frames.encode({ envelope: toEnvelope(message) }));
      socket.uncork();
    },
    send: ({ type, ...fields }) => write(frames.encode({ [type]: toProto(fields) })),
    buffered: () => socket.writableLength,
    close(clean) {
      if (clean && saysGoodbye) write(frames.encode({ disconnect: {} }));
      open = false;
      if (clean) socket.end();
      else socket.destroy();
    },
  };
}

/** A message with its payload as JSON text, or as the bytes that it stands for: they need no base64 here. */
function toMessage({ payload, ...fields }: Outgoing): Message {
  const bytes = bytesOf(payload);
  return bytes === undefined ? Message.fromJsonText({ ...fields, payload: undefined }, payload) : createMessage({ ...fields, payload: bytes });
}

/** The same with its signature. */
function toEnvelope({ payload, mac, signedAt, ...fields }: Outgoing): Record<string, unknown> {
  const bytes = bytesOf(payload);
  return { ver: "1.0", ...fields, ...(bytes === undefined ? { json: payload } : { data: bytes }), signed_at: signedAt, mac: new Uint8Array(Buffer.from(mac ?? "", "base64url")) };
}

function bytesOf(payload: string): Uint8Array | undefined {
  const value = payload.startsWith('{"$base64":"') ? readPayload(JSON.parse(payload)) : undefined;
  return value instanceof Uint8Array ? value : undefined;
}

/** Fields of a frame and of an envelope in it that the .proto file calls otherwise, or has in another form. */
function toProto({ deviceId, payload, will, mac, signedAt, ...fields }: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return {
    ...fields,
    ...(deviceId === undefined ? {} : { device_id: deviceId }),
    ...(payload === undefined ? {} : { json: JSON.stringify(payload) }),
    ...(mac === undefined ? {} : { mac: new Uint8Array(Buffer.from(mac as string, "base64url")), signed_at: signedAt }),
    ...(will === undefined ? {} : { will: toProto(will as Readonly<Record<string, unknown>>) }),
  };
}

interface ProtoFrame {
  readonly [name: string]: Readonly<Record<string, unknown>> | undefined;
}

/** A decoded `busbar.v1.Frame` as JSON has it: fields that are empty there are absent here. */
function toWire(frame: ProtoFrame): WireFrame | undefined {
  for (const type in frame) {
    const fields = frame[type];
    if (fields === undefined) continue;
    const { json, data, ...rest } = fields;
    const wire: Record<string, unknown> = {};
    for (const name in rest) if (rest[name] !== "" && rest[name] !== undefined) wire[name] = typeof rest[name] === "bigint" ? Number(rest[name]) : rest[name];
    if (typeof json === "string" && json !== "") wire["payload"] = JSON.parse(json);
    else if (data instanceof Uint8Array && type === "envelope") wire["payload"] = data;
    return { ...wire, type: type === "envelope" ? String(wire["type"]) : type };
  }
  return undefined;
}
