import * as v from "valibot";
import type { StepMessage } from "../plugin.ts";
import { fakeClock, type FakeClock } from "../testkit/fake-clock.ts";
import { openStep as openStepOf } from "../testkit/open-step.ts";
import { builtInSteps } from "./built-in.ts";

/*
 * What the tests of this folder run a step with.
 */

/** Makes the built-in step `name` from a config as it is written; the function that is returned gives what the step emits for one message. */
export function openStep(name: string, config: unknown, clock: FakeClock = fakeClock()): (draft: Partial<StepMessage>) => readonly StepMessage[] {
  return openStepOf(builtInSteps[name]!, config, { clock, name }).send;
}

/** The payloads that a step makes of one payload. */
export function payloadsOf(name: string, config: unknown, payload: unknown): readonly unknown[] {
  return openStep(name, config)({ payload }).map((message) => message.payload);
}

/** Whether the step takes the config. */
export function takes(name: string, config: unknown): boolean {
  return v.safeParse(builtInSteps[name]!.config, config).success;
}

/** Readings as devices send them. */
export const readings = { values: [{ tag: "temperature", value: 95, unit: "°C" }, { tag: "motor.speed", value: 3, quality: "bad" }], quality: "uncertain" };
