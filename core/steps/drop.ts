import * as v from "valibot";
import { defineStep } from "../step.ts";
import { dropField, fieldName, isEmpty } from "./field.ts";

/** `drop`: takes the fields named out. A message of which nothing is left goes no further. */
export const dropStep = defineStep({
  description: "Takes the fields named out",
  config: v.pipe(v.array(fieldName()), v.minLength(1), v.maxLength(1_000), v.description("The fields that are taken out.")),
  create: (fields) => (message, emit) => {
    const payload = fields.reduce(dropField, message.payload);
    if (payload === message.payload) emit(message);
    else if (!isEmpty(payload)) emit({ ...message, payload });
  },
});
