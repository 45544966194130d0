import assert from "node:assert/strict";
import { bareEnvelopeProto, BusbarError, createMessage, envelopeJson, envelopeProto, iotData, isJson, maxPayloadDepth, Message, userInform, type CodecFactory, type Frame } from "@busbar/core";
import { bytesOf, type FuzzTarget } from "../engine/fuzz-target.ts";

const message = createMessage({ type: "status", from: "plc-101", msgid: "m-1", timestamp: 1_634_567_890_123, qos: 1, retain: true, payload: { values: [{ tag: "temperature", value: 42.5, unit: "°C", quality: "good" }], quality: "good" } });

/** Frames of a session in JSON, as clients send them. */
const jsonFrames = [
  '{"type":"auth","deviceId":"sensor-001","token":"aaa.bbb.ccc"}',
  '{"ver":"1.0","msgid":"m","timestamp":5,"from":"a/b","to":"c","type":"command","payload":{"on":true},"qos":2,"retain":true,"expires":9}',
  '{"deviceId":"plc-101","timestamp":1634567890123,"values":[{"tag":"t","value":42.5}],"quality":"good"}',
  '{"type":"batch","data":[{"type":"status","payload":{"$base64":"AQI="}},{"type":"event","payload":[1,-2.5e3,null,"\\u00e9\\n"]}]}',
  '{"type":"subscribe","topic":"status/#","qos":1,"since":1234,"ref":"x","binary":true,"epoch":"e","overflow":"latest","limit":10}',
  '{"type":"unsubscribe","topic":"status/+","ref":"x"}',
  '{"type":"ack","msgid":"m","offset":7,"status":"error","payload":{"n":"5"}}',
  '{"type":"ping"}',
].map(bytesOf);

/** What a codec may throw: SyntaxError for what does not decode, BAD_FRAME for what is invalid. */
export function outcomeOf(error: unknown): string {
  if (error instanceof SyntaxError) return `syntax: ${shape(error.message)}`;
  if (error instanceof BusbarError && (error.code === "BAD_FRAME" || error.code === "TOO_LARGE")) return `${error.code}: ${shape(error.message)}`;
  throw error;
}

/** A message without what differs from input to input. */
export function shape(text: string): string {
  return text.replace(/"(?:[^"\\]|\\.)*"?/g, '""').replace(/\d+/g, "0").slice(0, 60);
}

function describeFrames(frames: Frame | readonly Frame[]): string {
  const all = "kind" in frames ? [frames] : frames;
  return all.slice(0, 4).map((frame) => (frame.kind === "message" ? `message ${typeof frame.payload}` : frame.kind)).join(", ");
}

/** Decodes as a session does; what is taken is encoded for the other kind of client, and read again as the same. */
function codecTarget(name: string, about: string, { factory, seeds, words = [] }: { readonly factory: CodecFactory; readonly seeds: readonly Uint8Array[]; readonly words?: readonly string[] }): FuzzTarget {
  return {
    name,
    about,
    seeds,
    words: words.map(bytesOf),
    open() {
      const codec = factory.create();
      return (bytes) => {
        let frames: Frame | readonly Frame[];
        try {
          frames = codec.decode(bytes, 0, bytes.length);
        } catch (error) {
          return outcomeOf(error);
        }
        for (const frame of "kind" in frames ? [frames] : frames) if (frame.kind === "message") checkTravels(frame);
        return describeFrames(frames);
      };
    },
  };
}

/** What was taken is said in JSON and in protobuf, and both say the same. */
function checkTravels(taken: Message): void {
  const { payload } = taken;
  const json = envelopeJson.create().encodeMessage(taken, 1)!;
  assert.ok(isJson(json, 0, json.length, maxPayloadDepth + 8), "what is said in JSON is JSON");
  const text = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(json)) as Record<string, unknown>;
  assert.equal(text["type"], taken.type);
  assert.equal(text["from"], taken.from);
  assert.ok("payload" in text || payload === undefined);
  const proto = bareEnvelopeProto(taken, 1);
  assert.ok(proto !== undefined && proto.length > 0);
}

const protoFrames = [message, ...jsonFrames.flatMap((bytes) => envelopeJson.create().decode(bytes, 0, bytes.length) as Frame)].flatMap((frame) => {
  const codec = envelopeProto.create();
  if (frame.kind === "batch") return [];
  return (frame.kind === "message" ? codec.encodeMessage(frame, 5) : codec.encode(frame)) ?? [];
});

/** The codecs of core: what devices and clients send. */
export const codecTargets: readonly FuzzTarget[] = [
  codecTarget("envelope-json", "a text frame of a WebSocket client", { factory: envelopeJson, seeds: jsonFrames, words: ['"type":', '"payload":', '"data":', '"from":', '"qos":', '"status"', '"command"', '{"$base64":"', '"__proto__":', "[[[[", "}}}}", '"values":['] }),
  codecTarget("envelope-proto", "a busbar.v1.Frame of a TCP or WebSocket client", { factory: envelopeProto, seeds: protoFrames }),
  codecTarget("iot-data", "a report of a device in IoTData", { factory: iotData, seeds: [Uint8Array.from([10, 10, ...bytesOf("sensor-001"), 16, 203, 137, 245, 229, 199, 47, 26, 16, 10, 4, ...bytesOf("temp"), 21, 0, 0, 42, 66, 26, 3, ...bytesOf("°C")])] }),
  codecTarget("user-inform", "a report of a device in UserInform", { factory: userInform, seeds: [Uint8Array.from([8, 1, 16, 7, 24, 2, 32, 9, 40, 100]), Uint8Array.from([8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 16, 7])] }),
];
