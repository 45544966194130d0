import * as v from "valibot";
import { defineStep } from "../step.ts";
import { duration } from "../schema.ts";
import { fieldName, writeField } from "./field.ts";

const described = <S extends v.GenericSchema>(schema: S, text: string) => v.pipe(v.optional(schema), v.description(text));

/** `set`: gives the payload, or fields of it, and the way the message is handled, other values. */
export const setStep = defineStep({
  description: "Sets the payload or fields of it, qos, retain and time to live",
  config: v.strictObject({
    payload: v.pipe(v.optional(v.unknown()), v.description("Another payload in the place of the one there is: any JSON value.")),
    fields: described(v.record(fieldName(), v.union([v.string(), v.number(), v.boolean(), v.null()])), "Fields and the values they get."),
    qos: described(v.picklist([0, 1, 2]), "0 at most once, 1 at least once, 2 exactly once."),
    retain: described(v.boolean(), "Whether the message is kept as the last one of its topic."),
    ttl: described(duration(1), "How long after its timestamp the message is of use, such as 30s."),
  }),
  create({ payload, fields, qos, retain, ttl }) {
    const changes = Object.entries(fields ?? {});
    return (message, emit) =>
      emit({
        ...message,
        ...(changes.length > 0 || payload !== undefined ? { payload: changes.reduce((target, [name, value]) => writeField(target, name, value), payload === undefined ? message.payload : payload) } : {}),
        ...(qos === undefined ? {} : { qos }),
        ...(retain === undefined ? {} : { retain }),
        ...(ttl === undefined ? {} : { expires: message.timestamp + ttl }),
      });
  },
});
