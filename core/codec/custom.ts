import type { Codec, CodecFactory } from "../codec.ts";
import { checkMessage, Message } from "../envelope.ts";
import { BusbarError } from "../errors.ts";
import { isType } from "../topic.ts";
import { compileMessage } from "./compile.ts";
import { mapPayload, mapText, mapTime, type PayloadMapping, type TimeUnit } from "./custom-mapping.ts";
import { findMessage, readDescriptorSet } from "./descriptor-set.ts";

/** Which message a frame is and how its fields become an envelope. Fields are named as in the .proto file, those of messages within by a path: `header.device`. */
export interface CustomCodecOptions {
  /** A compiled FileDescriptorSet with its imports. */
  readonly descriptorSet: Uint8Array;
  /** Full name of the message that each frame is, such as "plant.Report". */
  readonly message: string;
  /** Who speaks: a field, or a template such as `line-{header.line}/{header.device}`. */
  readonly from: string;
  /** When it happened: a field that is a number or a google.protobuf.Timestamp. 0, absent or left out: the time of arrival. */
  readonly timestamp?: string | undefined;
  /** What a timestamp that is a number counts. Default "ms". */
  readonly timestampUnit?: TimeUnit | undefined;
  /** Type of the envelope. Default "status". */
  readonly type?: string | undefined;
  /**
   * The payload: "whole" (the default), the message as JSON by its field names, enums by name, bytes as base64; `{field}`, one field alone; `{readings: {tag: field}}`, fields of the message as
   * readings, an absent one left out; `{list, tag, value, unit?, quality?}`, a repeated message as readings.
   */
  readonly payload?: PayloadMapping | undefined;
  /** Full name of the message that a command becomes: its payload, an object by field names. Left out: the device takes no commands. */
  readonly command?: string | undefined;
}

/**
 * Any message of a compiled descriptor set, in both directions (WIRE §3).
 * @throws {BusbarError} CONFIG when the set, a message or a field cannot be used as the options say.
 */
export function createCustomCodec(options: CustomCodecOptions): CodecFactory {
  const registry = readDescriptorSet(options.descriptorSet);
  const desc = findMessage(registry, options.message);
  const { type = "status", timestamp, timestampUnit = "ms", payload = "whole", command } = options;
  if (!isType(type)) throw new BusbarError("CONFIG", `Cannot use ${JSON.stringify(type)} as type: it is not a token [a-z][a-z0-9-]{0,31}`);
  const compiled = compile(() => compileMessage(desc, { form: "json" }));
  const order = command === undefined ? undefined : compile(() => compileMessage(findMessage(registry, command), { strict: true }));
  const from = mapText(desc, options.from);
  const time = timestamp === undefined ? () => 0 : mapTime(desc, timestamp, timestampUnit);
  const toPayload = mapPayload(desc, payload);

  const codec: Codec = {
    decode(bytes, start, end) {
      const value = compiled.decode(bytes, start, end);
      const text = JSON.stringify(toPayload(value)) ?? "null";
      const message = Message.fromJsonText({ type, payload: undefined, from: from(value), timestamp: time(value) }, text);
      if (message.from === "") throw new BusbarError("BAD_FRAME", `Cannot use the ${desc.typeName}: it does not say who sent it`);
      checkMessage(message);
      return message;
    },
    encode: () => undefined,
    encodeMessage(message) {
      if (order === undefined || message.type !== "command") return undefined;
      try {
        return order.encode(message.payload);
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
        return undefined; // the payload does not fit the message: this protocol cannot say it
      }
    },
  };
  return { name: "custom", session: false, create: () => codec };
}

function compile<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new BusbarError("CONFIG", error.message, { cause: error });
  }
}
