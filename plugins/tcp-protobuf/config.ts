import { field, isType, listenerFields, listenerRules, option, ruleCheck, signedRule } from "@busbar/core";
import * as v from "valibot";

const text = v.pipe(v.string(), v.minLength(1));

const reading = v.union([text, v.strictObject({ field: text, unit: v.optional(text) })], 'must be a field, or {field, unit}');

const custom = v.strictObject({
  descriptorSet: v.pipe(text, v.description("Path of a compiled FileDescriptorSet: protoc --include_imports --descriptor_set_out=…")),
  message: v.pipe(text, v.description("Full name of the message that each frame is, such as plant.Report.")),
  from: v.pipe(text, v.description("Who speaks: a field such as header.device, or a template such as {header.line}/{header.device}.")),
  timestamp: option(text, "When it happened: a field that is a number or a google.protobuf.Timestamp. Default: the time of arrival."),
  timestampUnit: field(v.picklist(["s", "ms", "us", "ns"]), "ms", "What a timestamp that is a number counts: s, ms, us or ns. Default ms."),
  type: field(v.pipe(v.string(), v.check(isType, "must be a token [a-z][a-z0-9-]{0,31}")), "status", "Type of the envelopes. Default status."),
  payload: field(
    v.union(
      [
        v.literal("whole"),
        v.strictObject({ field: text }),
        v.strictObject({ readings: v.record(text, reading) }),
        v.strictObject({ list: text, tag: text, value: text, unit: v.optional(text), quality: v.optional(text) }),
      ],
      "must be whole, {field}, {readings: {tag: field}} or {list, tag, value, unit?, quality?}",
    ),
    "whole",
    "What becomes the payload: whole, {field}, {readings: {tag: field}} or {list, tag, value, unit?, quality?}. Default whole.",
  ),
  command: option(text, "Full name of the message that a command becomes. Default: the devices take no commands."),
});

const fields = v.strictObject({
  codec: field(v.picklist(["envelope", "iot-data", "user-inform", "custom"]), "envelope", "What a frame is: envelope, iot-data, user-inform or custom. Default envelope."),
  custom: option(custom, "The message and its mapping, for codec: custom."),
  ...listenerFields(7000),
});

type Fields = v.InferOutput<typeof fields>;

const isSession = (config: object): boolean => (config as Fields).codec === "envelope";
const [login, certificate, known, unsigned] = [...listenerRules(isSession), signedRule(isSession)].map((rule) => ruleCheck<Fields>(rule));

/** What a listener's config may say. */
export const configSchema = v.pipe(
  fields,
  v.forward(v.check<Fields, string>(({ codec, custom }) => (codec === "custom") === (custom !== undefined), "must be there for codec: custom, and only for it"), ["custom"]),
  login!, certificate!, known!, unsigned!,
);

/** The config with all defaults filled in: durations in ms, sizes in bytes. */
export type TcpConfig = v.InferOutput<typeof configSchema>;
