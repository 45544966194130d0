import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { Codec, CodecFactory } from "../codec.ts";
import { decodePayload, formatPayload, Message, type Qos } from "../envelope.ts";
import { BusbarError } from "../errors.ts";
import type { Frame } from "../frame.ts";
import { AckSchema, EnvelopeSchema, FrameSchema, type Ack, type Envelope as ProtoEnvelope, type Frame as ProtoFrame } from "../proto/gen/busbar/v1/envelope_pb.ts";
import { maxBatch, maxPayloadDepth } from "./envelope-json.ts";
import { EnvelopeReader } from "./envelope-proto-read.ts";
import { encodeEnvelopeProto } from "./envelope-proto-encode.ts";
import { isJson } from "./json-check.ts";
import { checkOverflow } from "./overflow-fields.ts";

/** `busbar.v1.Frame`: the session in protobuf (WIRE §2, §3). */
export const envelopeProto: CodecFactory = { name: "busbar.v1.proto", session: true, create: () => new EnvelopeProtoCodec() };

/** The same for a subscriber that asked for `"binary":true` on a JSON session: deliveries are bare `busbar.v1.Envelope`s. */
export const bareEnvelopeProto = (message: Message, offset: number | undefined): Uint8Array => encodeEnvelopeProto(message, offset, false);

const encoder = new TextEncoder();
const envelopeTag = 0x1a; // field 3, length-delimited
const batchTag = 0x22; // field 4, length-delimited

class EnvelopeProtoCodec implements Codec {
  readonly #reader = new EnvelopeReader();

  decode(bytes: Uint8Array, start: number, end: number): Frame {
    if (bytes[start] === envelopeTag) {
      const body = this.#reader.enter(bytes, start + 1, end);
      if (this.#reader.end === end) return this.#checked(this.#reader.read(bytes, body, end));
    } else if (bytes[start] === batchTag) {
      const body = this.#reader.enter(bytes, start + 1, end);
      if (this.#reader.end === end) return this.#batch(bytes, body, end);
    }
    const { frame } = parseFrame(bytes.subarray(start, end));
    if (frame.case !== "envelope" && frame.case !== "batch") return decodeControl(frame);
    const plain = toBinary(FrameSchema, create(FrameSchema, { frame })); // it came in pieces, or beside fields nobody knows
    return this.decode(plain, 0, plain.length);
  }

  encode(frame: Exclude<Frame, Message>): Uint8Array | undefined {
    return toBinary(FrameSchema, toProto(frame));
  }

  encodeMessage(message: Message, offset: number | undefined): Uint8Array {
    return encodeEnvelopeProto(message, offset, true);
  }

  #checked(message: Message): Message {
    if (message.qos > 0 && message.msgid === "") throw new BusbarError("BAD_FRAME", "Cannot use the message: one of qos 1 or 2 needs a msgid");
    return message;
  }

  #batch(bytes: Uint8Array, at: number, end: number): Frame {
    const messages: Message[] = [];
    while (at < end) {
      if (bytes[at] !== 0x0a) throw new SyntaxError(`Cannot decode the batch: unknown field at byte ${at}`);
      const body = this.#reader.enter(bytes, at + 1, end);
      at = this.#reader.end;
      if (messages.length === maxBatch) throw new BusbarError("BAD_FRAME", `Cannot use the batch: it has more than ${maxBatch} envelopes`);
      messages.push(this.#checked(this.#reader.read(bytes, body, at)));
    }
    return { kind: "batch", messages };
  }
}

function parseFrame(bytes: Uint8Array): ProtoFrame {
  try {
    return fromBinary(FrameSchema, bytes);
  } catch (error) {
    throw new SyntaxError("Cannot decode the frame: it is no busbar.v1.Frame", { cause: error });
  }
}

function decodeControl(frame: ProtoFrame["frame"]): Frame {
  switch (frame.case) {
    case "auth":
      return { kind: "auth", deviceId: frame.value.deviceId, token: frame.value.token, ...(frame.value.will && { will: decodeWill(frame.value.will) }) };
    case "subscribe": {
      const { topic, qos, since, ref, epoch, overflow, limit } = frame.value;
      if (qos > 2) throw new BusbarError("BAD_FRAME", "Cannot subscribe: qos must be 0, 1 or 2");
      return { kind: "subscribe", topic, qos: qos as Qos, since: decodeOffset(since), ref: ref || undefined, ...(epoch && { epoch }), ...checkOverflow(overflow || undefined, limit || undefined) };
    }
    case "unsubscribe":
      return { kind: "unsubscribe", topic: frame.value.topic, ref: frame.value.ref || undefined };
    case "ack":
      if (frame.value.msgid === "") throw new BusbarError("BAD_FRAME", "Cannot use the ack: it names no msgid");
      return { kind: "ack", msgid: frame.value.msgid, status: decodeStatus(frame.value.status), ...(frame.value.offset === undefined ? {} : { offset: decodeOffset(frame.value.offset) }), ...decodeResult(frame.value) };
    case "ping":
    case "pong":
    case "disconnect":
      return { kind: frame.case };
    default:
      throw new BusbarError("BAD_FRAME", frame.case === undefined ? "Cannot use the frame: it is empty" : `Cannot use a frame "${frame.case}": it goes from server to client only`);
  }
}

/** Once per connection at the most: the generated code reads it, and its bytes go the way of every envelope. */
function decodeWill(will: ProtoEnvelope): Message {
  const bytes = toBinary(EnvelopeSchema, will);
  return new EnvelopeReader().read(bytes, 0, bytes.length);
}

function decodeOffset(offset: bigint | undefined): number | undefined {
  if (offset !== undefined && (offset < 0n || offset > Number.MAX_SAFE_INTEGER)) throw new BusbarError("BAD_FRAME", "Cannot use the frame: it names an offset that is none");
  return offset === undefined ? undefined : Number(offset);
}

/** An offset as a field that is absent where there is none. */
function offsetField<K extends string>(key: K, offset: number | undefined): { [key in K]?: bigint } {
  return (offset === undefined ? {} : { [key]: BigInt(offset) }) as { [key in K]?: bigint };
}

function decodeStatus(status: string): "ok" | "error" | undefined {
  if (status === "" || status === "ok" || status === "error") return status || undefined;
  throw new BusbarError("BAD_FRAME", 'Cannot use the ack: status must be "ok" or "error"');
}

function decodeResult({ payload }: Ack): { payload?: unknown } {
  if (payload.case === "data") return { payload: payload.value };
  if (payload.case === undefined) return {};
  const json = encoder.encode(payload.value);
  if (!isJson(json, 0, json.length, maxPayloadDepth)) throw new BusbarError("BAD_FRAME", `Cannot use the ack: its payload is not JSON nested at most ${maxPayloadDepth} levels deep`);
  return { payload: decodePayload(JSON.parse(payload.value)) };
}

function toProto(frame: Exclude<Frame, Message>) {
  switch (frame.kind) {
    case "auth":
      return create(FrameSchema, { frame: { case: "auth", value: { deviceId: frame.deviceId, token: frame.token, ...(frame.will && { will: fromBinary(EnvelopeSchema, encodeEnvelopeProto(frame.will, undefined, false)) }) } } });
    case "auth_response":
      return create(FrameSchema, { frame: { case: "authResponse", value: { status: frame.status, timestamp: BigInt(frame.timestamp) } } });
    case "batch":
      throw new TypeError("Cannot encode a batch: encode its messages");
    case "reply":
      throw new TypeError("Cannot encode a reply: its bytes are encoded");
    case "subscribe":
      return create(FrameSchema, { frame: { case: "subscribe", value: { topic: frame.topic, qos: frame.qos, ref: frame.ref ?? "", epoch: frame.epoch ?? "", overflow: frame.overflow ?? "", limit: frame.limit ?? 0, ...offsetField("since", frame.since) } } });
    case "subscribed":
      return create(FrameSchema, { frame: { case: "subscribed", value: { topic: frame.topic, ref: frame.ref ?? "", epoch: frame.epoch ?? "", ...offsetField("offset", frame.offset) } } });
    case "unsubscribe":
    case "unsubscribed":
      return create(FrameSchema, { frame: { case: frame.kind, value: { topic: frame.topic, ref: frame.ref ?? "" } } });
    case "ack": {
      const value = create(AckSchema, { msgid: frame.msgid, status: frame.status ?? "", ...offsetField("offset", frame.offset) });
      if (frame.payload instanceof Uint8Array) value.payload = { case: "data", value: frame.payload };
      else if (frame.payload !== undefined) value.payload = { case: "json", value: formatPayload(frame.payload) };
      return create(FrameSchema, { frame: { case: "ack", value } });
    }
    case "error":
      return create(FrameSchema, { frame: { case: "error", value: { code: frame.code, message: frame.message, msgid: frame.msgid ?? "", ref: frame.ref ?? "", epoch: frame.epoch ?? "", ...offsetField("oldest", frame.oldest) } } });
    case "ping":
      return create(FrameSchema, { frame: { case: "ping", value: {} } });
    case "pong":
      return create(FrameSchema, { frame: { case: "pong", value: {} } });
    case "disconnect":
      return create(FrameSchema, { frame: { case: "disconnect", value: {} } });
  }
}

