import * as v from "valibot";
import { defineStep } from "../step.ts";
import { dropField, fieldName, isReadings, readField, writeField } from "./field.ts";

/** `rename`: gives fields other names, all at once, so that two may be swapped. A field that is not there is passed over; one that has the new name already is replaced. */
export const renameStep = defineStep({
  description: "Gives fields other names",
  config: v.pipe(v.record(fieldName(), fieldName()), v.description("Old names and the new ones.")),
  create(names) {
    const pairs = Object.entries(names);
    const byOld = new Map(pairs);
    return (message, emit) => {
      const { payload } = message;
      if (isReadings(payload)) {
        const present = payload.values.filter((one) => byOld.has(one.tag)).map((one) => one.tag);
        const replaced = new Set(present.map((tag) => byOld.get(tag)));
        const values = payload.values.filter((one) => byOld.has(one.tag) || !replaced.has(one.tag)).map((one) => ({ ...one, tag: byOld.get(one.tag) ?? one.tag }));
        emit({ ...message, payload: { ...payload, values } });
        return;
      }
      const found = pairs.map(([old, name]) => [old, name, readField(payload, old)] as const).filter(([, , value]) => value !== undefined);
      const without = found.reduce((left, [old]) => dropField(left, old), payload);
      emit({ ...message, payload: found.reduce((left, [, name, value]) => writeField(left, name, value), without) });
    };
  },
});
