import { bareEnvelopeProto } from "../../codec/envelope-proto.ts";
import type { Message } from "../../envelope.ts";
import type { Frame } from "../../frame.ts";
import { unpackDelivered } from "./border-envelope.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const messageHead = 17;

/** A frame of the gateway to a peer as bytes: 0 and JSON. */
export function packControl(frame: Exclude<Frame, Message>): Uint8Array {
  const json = encoder.encode(JSON.stringify(frame));
  const bytes = new Uint8Array(1 + json.length);
  bytes.set(json, 1);
  return bytes;
}

/** An envelope of the gateway to a peer as bytes: 1, when it arrived and its offset (NaN = none) as 64-bit floats, and the envelope. */
export function packMessage(message: Message, offset: number | undefined): Uint8Array {
  const proto = bareEnvelopeProto(message, undefined);
  const bytes = new Uint8Array(messageHead + proto.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = 1;
  view.setFloat64(1, message.received, true);
  view.setFloat64(9, offset ?? Number.NaN, true);
  bytes.set(proto, messageHead);
  return bytes;
}

/** What such bytes say. */
export function unpackSaid(bytes: Uint8Array): { readonly message: Message; readonly offset: number | undefined } | { readonly message?: undefined; readonly frame: Exclude<Frame, Message> } {
  if (bytes[0] === 0) return { frame: JSON.parse(decoder.decode(bytes.subarray(1))) as Exclude<Frame, Message> };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const offset = view.getFloat64(9, true);
  return { message: unpackDelivered(bytes.subarray(messageHead), view.getFloat64(1, true)) as Message, offset: Number.isNaN(offset) ? undefined : offset };
}
