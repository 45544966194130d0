import type { Codec, CodecFactory } from "../codec.ts";
import { checkMessage, Message } from "../envelope.ts";
import { BusbarError } from "../errors.ts";
import { IoTDataSchema } from "../proto/gen/busbar/v1/devices_pb.ts";
import { compileMessage } from "./compile.ts";
import { formatFloat32 } from "./float-text.ts";

/** What the compiled decoder makes of `IoTData`. */
interface IotData {
  readonly device_id: string;
  readonly timestamp: number | string;
  readonly readings: readonly { readonly sensor_id: string; readonly value: number; readonly unit: string }[];
}

/** Texts whose JSON form is remembered, for all connections together. */
const maxPieces = 4096;

/**
 * `busbar.v1.IoTData` (WIRE §3): a frame becomes one `status` from its `device_id`, with the payload
 * `{"values":[{"tag":sensor_id,"value":…,"unit":…}],"quality":"good"}`. Timestamp 0 is the time of arrival. A value reads as the shortest decimal of its float32 (21.3); NaN
 * and infinities, which JSON does not have, as null with quality "bad". Nothing is ever sent to the device.
 */
export const iotData: CodecFactory = { name: "iot-data", session: false, create: () => new IotDataCodec() };

const compiled = compileMessage(IoTDataSchema);

class IotDataCodec implements Codec {
  /** The device id that was checked last: nearly always the only one of its connection. */
  #checked = "";

  decode(bytes: Uint8Array, start: number, end: number): Message {
    const data = compiled.decode(bytes, start, end) as unknown as IotData;
    const { device_id: from, timestamp } = data;
    if (typeof timestamp === "string" || from === "") throw unusable(data);
    const message = Message.fromJsonText({ type: "status", payload: undefined, from, timestamp }, formatReadings(data));
    if (from !== this.#checked || !(timestamp >= 0 && timestamp < 8e15)) {
      checkMessage(message);
      this.#checked = from;
    }
    return message;
  }

  encode(): undefined {
    return undefined;
  }

  encodeMessage(): undefined {
    return undefined;
  }
}

function unusable({ device_id: from, timestamp }: IotData): BusbarError {
  return new BusbarError("BAD_FRAME", from === "" ? "Cannot use the IoTData: its device_id is empty" : `Cannot use ${timestamp} as timestamp: it is not milliseconds since the Unix epoch`);
}

function formatReadings({ readings }: IotData): string {
  let text = '{"values":[';
  for (let at = 0; at < readings.length; at++) {
    const { sensor_id: tag, value, unit } = readings[at]!;
    if (tag === "") throw new BusbarError("BAD_FRAME", `Cannot use reading ${at} of the IoTData: its sensor_id is empty`);
    const finite = value - value === 0; // neither NaN nor an infinity
    text += (at === 0 ? "" : ",") + tags.find(tag) + (finite ? formatFloat32(value) : "null") + (unit === "" ? "" : units.find(unit)) + (finite ? "}" : ',"quality":"bad"}');
  }
  return text + '],"quality":"good"}';
}

/** Pieces of JSON around a text. Sensor ids and units are few: a table that is full starts anew, so hostile ones cost time, not memory. */
class Pieces {
  readonly #pieces = new Map<string, string>();
  readonly #before: string;
  readonly #after: string;

  constructor(before: string, after: string) {
    this.#before = before;
    this.#after = after;
  }

  find(text: string): string {
    return this.#pieces.get(text) ?? this.#make(text);
  }

  #make(text: string): string {
    const piece = this.#before + JSON.stringify(text) + this.#after;
    if (this.#pieces.size >= maxPieces) this.#pieces.clear();
    if (text.length <= 64) this.#pieces.set(text, piece);
    return piece;
  }
}

const tags = new Pieces('{"tag":', ',"value":');
const units = new Pieces(',"unit":', "");
