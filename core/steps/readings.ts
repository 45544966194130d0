import * as v from "valibot";
import { defineStep } from "../step.ts";
import { isObject, isReadings, type Reading } from "./field.ts";

/** `readings`: brings both shapes of readings (WIRE §1) into `{"values":[{"tag","value","unit"?,"quality"}],"quality"}`. A payload that is neither goes no further. */
export const readingsStep = defineStep({
  description: "Brings readings of either shape into the one with values",
  config: v.strictObject({}),
  create: () => (message, emit) => {
    const { payload } = message;
    if (isReadings(payload)) {
      const quality = payload.quality ?? "good";
      emit({ ...message, payload: { ...payload, values: payload.values.map((one) => ({ ...one, quality: one.quality ?? quality })), quality } });
      return;
    }
    if (!isObject(payload)) return;
    const values: Reading[] = [];
    for (const [tag, value] of Object.entries(payload)) {
      if (typeof value === "number" || typeof value === "boolean" || typeof value === "string") values.push({ tag, value, quality: "good" });
    }
    if (values.length > 0) emit({ ...message, payload: { values, quality: "good" } });
  },
});
