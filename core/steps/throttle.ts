import * as v from "valibot";
import { defineStep } from "../step.ts";
import { duration, integer } from "../schema.ts";
import { TopicMemory } from "./topic-memory.ts";

/** `throttle`: lets the first message of a topic pass and then none for a while. The last one of a burst is not sent later: use it where another one always follows. */
export const throttleStep = defineStep({
  description: "Lets at most one message of each topic pass in a stretch of time",
  config: v.strictObject({
    every: v.pipe(duration(1, 7 * 86_400_000), v.description("The stretch of time, such as 1s; 1ms to 7d.")),
    topics: v.pipe(v.optional(integer(1, 1_000_000), 10_000), v.description("Topics that are remembered; of one that is forgotten the next message passes. Default 10000, 1 to 1000000.")),
  }),
  create({ every, topics }, { clock }) {
    const passed = new TopicMemory<number>(topics);
    return (message, emit) => {
      const now = clock.now();
      const before = passed.get(message.topic);
      if (before !== undefined && now >= before && now - before < every) return; // a clock that was set back must not silence a topic
      passed.set(message.topic, now);
      emit(message);
    };
  },
});
