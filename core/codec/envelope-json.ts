import type { Codec, CodecFactory } from "../codec.ts";
import { checkMessage, decodePayload, formatPayload, Message, toJsonObject, type Qos } from "../envelope.ts";
import { BusbarError } from "../errors.ts";
import type { Frame } from "../frame.ts";
import { encodeEnvelopeJson } from "./envelope-json-encode.ts";
import { checkOverflow } from "./overflow-fields.ts";

/** Payloads nested deeper than this are refused. */
export const maxPayloadDepth = 64;
/** Messages in one batch (WIRE §2). */
export const maxBatch = 1000;

const utf8 = new TextDecoder("utf-8", { fatal: true });
const encoder = new TextEncoder();

type Json = Readonly<Record<string, unknown>>;

/** The JSON session of WIRE §2, subprotocol `busbar.v1.json`: one JSON object per frame, with the shorthand forms. */
export const envelopeJson: CodecFactory = {
  name: "busbar.v1.json",
  session: true,
  create: () => codec,
};

const codec: Codec = {
  decode(bytes, start, end) {
    const object = parseObject(bytes.subarray(start, end));
    const { type } = object;
    if (type === undefined && Array.isArray(object["values"])) return decodeValues(object);
    if (typeof type !== "string") throw invalid("type", "a string");
    const control = Object.hasOwn(controls, type) ? controls[type] : undefined;
    return control ? control(object) : decodeEnvelope(object);
  },
  encode: (frame) => encoder.encode(JSON.stringify(toJson(frame))),
  encodeMessage: encodeEnvelopeJson,
};

const controls: Readonly<Record<string, (object: Json) => Frame>> = {
  auth: (o) => ({ kind: "auth", deviceId: text(o, "deviceId"), token: text(o, "token"), ...(o["will"] === undefined ? {} : { will: decodeWill(o["will"]) }) }),
  batch(o) {
    const { data } = o;
    if (!Array.isArray(data) || data.length > maxBatch) throw invalid("data", `an array of at most ${maxBatch} envelopes`);
    return { kind: "batch", messages: data.map((one: unknown) => decodeEnvelope(isObject(one) ? one : fail("data", "an array of envelopes"))) };
  },
  subscribe: (o) => ({
    kind: "subscribe", topic: text(o, "topic"), qos: decodeQos(o), since: decodeOffset(o, "since"), ref: optionalText(o, "ref"), binary: o["binary"] === true,
    ...(o["epoch"] === undefined ? {} : { epoch: text(o, "epoch") }), ...checkOverflow(optionalText(o, "overflow"), o["limit"]),
  }),
  unsubscribe: (o) => ({ kind: "unsubscribe", topic: text(o, "topic"), ref: optionalText(o, "ref") }),
  ack(o) {
    const { status } = o;
    if (status !== undefined && status !== "ok" && status !== "error") throw invalid("status", '"ok" or "error"');
    checkDepth(o["payload"], maxPayloadDepth);
    return { kind: "ack", msgid: text(o, "msgid"), status, ...(o["offset"] === undefined ? {} : { offset: decodeOffset(o, "offset") }), ...(o["payload"] === undefined ? {} : { payload: decodePayload(o["payload"]) }) };
  },
  ping: () => ({ kind: "ping" }),
  pong: () => ({ kind: "pong" }),
  disconnect: () => ({ kind: "disconnect" }),
};

function parseObject(bytes: Uint8Array): Json {
  let value: unknown;
  try {
    value = JSON.parse(utf8.decode(bytes));
  } catch (error) {
    throw new SyntaxError("Cannot decode the frame: it is not JSON in UTF-8", { cause: error });
  }
  if (!isObject(value)) throw new SyntaxError("Cannot decode the frame: it is not a JSON object");
  return value;
}

function decodeEnvelope(o: Json): Message {
  if (o["type"] === undefined && Array.isArray(o["values"])) return decodeValues(o);
  const type = text(o, "type");
  return build(o, type === "control" ? "command" : type, o["payload"] !== undefined ? o["payload"] : o["data"]);
}

/** The gateway mints the msgid of a will that has none. */
function decodeWill(will: unknown): Message {
  if (!isObject(will)) throw invalid("will", "an envelope");
  if (will["msgid"] !== undefined || will["qos"] === 0) return decodeEnvelope(will);
  const message = decodeEnvelope({ ...will, qos: 0 });
  message.qos = decodeQos(will);
  return message;
}

/** `{"deviceId","timestamp","values":[…],"quality"}` without a type is a status. */
function decodeValues(o: Json): Message {
  return build(o, "status", o["quality"] === undefined ? { values: o["values"] } : { values: o["values"], quality: o["quality"] });
}

function build(o: Json, type: string, payload: unknown): Message {
  const { ver, timestamp = 0, retain = false, expires } = o;
  if (ver !== undefined && (typeof ver !== "string" || !/^1(\.|$)/.test(ver))) throw invalid("ver", '"1.0"');
  if (typeof timestamp !== "number") throw invalid("timestamp", "a number");
  if (typeof retain !== "boolean") throw invalid("retain", "a boolean");
  if (expires !== undefined && typeof expires !== "number") throw invalid("expires", "a number");
  const qos = decodeQos(o);
  const msgid = optionalText(o, "msgid") ?? "";
  if (qos > 0 && msgid === "") throw invalid("msgid", "given: a message of qos 1 or 2 needs one");
  checkDepth(payload, maxPayloadDepth);
  const from = optionalText(o, "from") ?? optionalText(o, "deviceId") ?? "";
  const message = new Message(type, from, optionalText(o, "to") ?? "server", msgid, timestamp, qos, retain, expires, payload === undefined ? null : decodePayload(payload));
  message.replace = optionalText(o, "replace");
  if (o["mac"] !== undefined || o["nonce"] !== undefined) message.signature = { mac: o["mac"], nonce: o["nonce"], signedAt: o["signedAt"] };
  checkMessage(message);
  return message;
}

function decodeQos(o: Json): Qos {
  const { qos = 0 } = o;
  if (qos !== 0 && qos !== 1 && qos !== 2) throw invalid("qos", "0, 1 or 2");
  return qos;
}

function decodeOffset(o: Json, key: string): number | undefined {
  const offset = o[key];
  if (offset !== undefined && (!Number.isSafeInteger(offset) || (offset as number) < 0)) throw invalid(key, "an offset");
  return offset as number | undefined;
}

/** Payloads are walked, not trusted: what is nested too deep would overflow the stack of whoever formats it. */
function checkDepth(value: unknown, left: number): void {
  if (typeof value !== "object" || value === null) return;
  if (left === 0) throw new BusbarError("BAD_FRAME", `Cannot use the payload: it is nested more than ${maxPayloadDepth} levels deep`);
  for (const key in value) checkDepth((value as Json)[key], left - 1);
}

function text(o: Json, key: string): string {
  const value = o[key];
  return typeof value === "string" ? value : fail(key, "a string");
}

function optionalText(o: Json, key: string): string | undefined {
  const value = o[key];
  if (value === undefined) return undefined;
  if (typeof value !== "string" || value === "") throw invalid(key, "a string that is not empty");
  return value;
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function invalid(field: string, wanted: string): BusbarError {
  return new BusbarError("BAD_FRAME", `Cannot use the field "${field}": it must be ${wanted}`);
}

function fail(field: string, wanted: string): never {
  throw invalid(field, wanted);
}

function toJson(frame: Exclude<Frame, Message>): Json {
  if (frame.kind === "batch") throw new TypeError("Cannot encode a batch: encode its messages");
  if (frame.kind === "reply") throw new TypeError("Cannot encode a reply: its bytes are encoded");
  if (frame.kind === "auth_response") return { type: frame.kind, status: frame.status, timestamp: frame.timestamp };
  const { kind, ...fields } = frame;
  if (frame.kind === "auth" && frame.will) return { type: kind, ...fields, will: Object.fromEntries(Object.entries(toJsonObject(frame.will)).filter(([, value]) => value !== "" && value !== 0)) };
  if (frame.kind === "ack" && frame.payload !== undefined) return { type: kind, ...fields, payload: JSON.parse(formatPayload(frame.payload)) };
  return { type: kind, ...fields };
}
