import type { StepDefinition } from "../step.ts";
import { changedStep } from "./changed.ts";
import { dropStep } from "./drop.ts";
import { filterStep } from "./filter.ts";
import { pickStep } from "./pick.ts";
import { readingsStep } from "./readings.ts";
import { renameStep } from "./rename.ts";
import { setStep } from "./set.ts";
import { throttleStep } from "./throttle.ts";

/** The steps that every route may use, by the names a config gives them. */
export const builtInSteps: Readonly<Record<string, StepDefinition>> = {
  changed: changedStep,
  drop: dropStep,
  filter: filterStep,
  pick: pickStep,
  readings: readingsStep,
  rename: renameStep,
  set: setStep,
  throttle: throttleStep,
};
