import * as v from "valibot";
import type { Clock } from "../clock.ts";
import type { StepMessage } from "../plugin.ts";
import { fakeClock } from "../testkit/fake-clock.ts";
import { builtInSteps } from "./built-in.ts";

/*
 * What the tests of this folder run a step with.
 */

/** Makes the built-in step `name` from a config as it is written; the function that is returned gives what the step emits for one message. */
export function openStep(name: string, config: unknown, clock: Clock = fakeClock()): (draft: Partial<StepMessage>) => readonly StepMessage[] {
  const definition = builtInSteps[name]!;
  const step = definition.create(v.parse(definition.config, config) as never, { clock });
  return (draft) => {
    const emitted: StepMessage[] = [];
    step({ type: "status", payload: null, from: "plc-1", to: "server", timestamp: 1000, topic: "status/plc-1", ...draft }, (message) => emitted.push(message));
    return emitted;
  };
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
