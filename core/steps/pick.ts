import * as v from "valibot";
import { defineStep } from "../step.ts";
import { fieldName, isEmpty, isReadings, readField, writeField } from "./field.ts";

/** `pick`: keeps the fields named, and of a readings payload its quality. A message of which nothing is left goes no further. */
export const pickStep = defineStep({
  description: "Keeps only the fields named",
  config: v.pipe(v.array(fieldName()), v.minLength(1), v.maxLength(1_000), v.description("The fields that are kept.")),
  create(fields) {
    const wanted = new Set(fields);
    return (message, emit) => {
      const { payload } = message;
      let kept: unknown = {};
      if (isReadings(payload)) kept = { ...payload, values: payload.values.filter((one) => wanted.has(one.tag)) };
      else {
        for (const field of fields) {
          const value = readField(payload, field);
          if (value !== undefined) kept = writeField(kept, field, value);
        }
      }
      if (!isEmpty(kept)) emit({ ...message, payload: kept });
    };
  },
});
