import * as v from "valibot";
import { formatPayload } from "../envelope.ts";
import { defineStep } from "../step.ts";
import { integer } from "../schema.ts";
import { fieldName, readField } from "./field.ts";
import { TopicMemory } from "./topic-memory.ts";

/** `changed`: lets a message pass when its payload, or the fields named, differ from those of the last message of its topic that passed. Knows nothing after a restart. */
export const changedStep = defineStep({
  description: "Lets a message pass when it differs from the last one of its topic",
  config: v.strictObject({
    fields: v.pipe(v.optional(v.pipe(v.array(fieldName()), v.minLength(1), v.maxLength(1_000))), v.description("The fields that are compared. Default: the whole payload.")),
    topics: v.pipe(v.optional(integer(1, 1_000_000), 10_000), v.description("Topics that are remembered; of one that is forgotten the next message passes. Default 10000, 1 to 1000000.")),
  }),
  create({ fields, topics }) {
    const last = new TopicMemory<string>(topics);
    return (message, emit) => {
      const now = formatPayload(fields ? fields.map((field) => readField(message.payload, field)) : message.payload);
      const same = last.get(message.topic) === now;
      last.set(message.topic, now);
      if (!same) emit(message);
    };
  },
});
