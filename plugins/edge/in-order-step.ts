import { defineStep } from "@busbar/core";
import * as v from "valibot";
import { tagsField, tagTest } from "./glob.ts";
import { sampleStep, seriesFields } from "./sample-step.ts";
import { SeriesStates } from "./series-states.ts";

/** `in-order`: the rule of event time and nothing else: what is late goes on unretained, or nowhere. For routes whose other steps remember no series, before what they send is kept as the last value. */
export const inOrderStep = defineStep({
  description: "Keeps late readings from taking the place of newer ones",
  config: v.strictObject({ tags: tagsField(), ...seriesFields }),
  create({ tags, series: limit, late }, context) {
    const states = new SeriesStates<null>(context, { limit, create: () => null, save: () => null, load: () => null });
    states.keep({ anyConfig: true });
    return sampleStep({ states, late, context, concerns: tagTest(tags), each: (sample) => sample });
  },
});
