import { definePlugin, type StepDefinition } from "@busbar/core";
import * as v from "valibot";
import { alarmsStep } from "./alarms-step.ts";
import { anomalyStep } from "./anomaly-step.ts";
import { assetStep } from "./asset-step.ts";
import { batchStep } from "./batch-step.ts";
import { convertStep } from "./convert-step.ts";
import { deadbandStep } from "./deadband-step.ts";
import { debounceStep } from "./debounce-step.ts";
import { forecastStep } from "./forecast-step.ts";
import { inOrderStep } from "./in-order-step.ts";
import { mapStep } from "./map-step.ts";
import { rateStep } from "./rate-step.ts";
import { swingingDoorStep } from "./swinging-door-step.ts";
import { tagsStep } from "./tags-step.ts";
import { whereStep } from "./where-step.ts";
import { windowsStep } from "./windows-step.ts";

/** The steps there are, by the names a config gives them. */
export const edgeSteps: Readonly<Record<string, StepDefinition>> = {
  alarms: alarmsStep,
  anomaly: anomalyStep,
  asset: assetStep,
  batch: batchStep,
  convert: convertStep,
  deadband: deadbandStep,
  debounce: debounceStep,
  forecast: forecastStep,
  "in-order": inOrderStep,
  map: mapStep,
  rate: rateStep,
  "swinging-door": swingingDoorStep,
  tags: tagsStep,
  where: whereStep,
  windows: windowsStep,
};

/** Brings the steps: they may be used in routes while an instance of it is in the config. */
export const edge = definePlugin({
  name: "edge",
  description: "Steps for routes: checked expressions, compression, windows, alarms, anomalies and forecasts",
  config: v.strictObject({}),
  steps: edgeSteps,
  setup() {},
});
