import { definePlugin, type StepDefinition } from "@busbar/core";
import * as v from "valibot";
import { alarmsStep } from "./alarms-step.ts";
import { anomalyStep } from "./anomaly-step.ts";

/** The steps there are, by the names a config gives them. */
export const edgeSteps: Readonly<Record<string, StepDefinition>> = { alarms: alarmsStep, anomaly: anomalyStep };

/** Brings the steps: they may be used in routes while an instance of it is in the config. */
export const edge = definePlugin({
  name: "edge",
  description: "Steps for routes: checked expressions, compression, windows, alarms, anomalies and forecasts",
  config: v.strictObject({}),
  steps: edgeSteps,
  setup() {},
});
