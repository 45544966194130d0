import * as v from "valibot";
import { defineStep } from "../step.ts";
import { fieldName, isObject, isReadings, readField } from "./field.ts";

const scalar = v.union([v.string(), v.number(), v.boolean(), v.null()]);
const described = <S extends v.GenericSchema>(schema: S, text: string) => v.pipe(v.optional(schema), v.description(text));

/** `filter`: lets a message pass when everything that is asked of one field holds; with no condition, when the field is there. Without `field` the payload itself is asked. */
export const filterStep = defineStep({
  description: "Lets a message pass when a field fulfils every condition named",
  config: v.strictObject({
    field: described(fieldName(), "The field that is looked at: a tag, or a path such as motor.speed. Default: the payload itself."),
    equals: described(scalar, "The value it must have."),
    not: described(scalar, "A value it must not have."),
    above: described(v.number(), "It must be a number greater than this."),
    below: described(v.number(), "It must be a number less than this."),
    exists: described(v.boolean(), "Whether it must be there (true) or must be absent (false)."),
    quality: described(v.picklist(["good", "uncertain", "bad"]), "The quality it must have: of the reading, else of the payload, else good."),
  }),
  create({ field, equals, not, above, below, exists, quality }) {
    const anyOther = equals !== undefined || not !== undefined || above !== undefined || below !== undefined || quality !== undefined;
    const wantsPresence = exists ?? (anyOther ? undefined : true);
    return (message, emit) => {
      const value = field === undefined ? message.payload : readField(message.payload, field);
      if (wantsPresence !== undefined && (value !== undefined) !== wantsPresence) return;
      if (equals !== undefined && value !== equals) return;
      if (not !== undefined && value === not) return;
      if (above !== undefined && !(typeof value === "number" && value > above)) return;
      if (below !== undefined && !(typeof value === "number" && value < below)) return;
      if (quality !== undefined && qualityOf(message.payload, field) !== quality) return;
      emit(message);
    };
  },
});

function qualityOf(payload: unknown, field: string | undefined): unknown {
  const reading = isReadings(payload) ? payload.values.find((one) => one.tag === field) : undefined;
  const whole = isObject(payload) && Object.hasOwn(payload, "quality") ? payload["quality"] : undefined;
  return reading?.quality ?? whole ?? "good";
}
