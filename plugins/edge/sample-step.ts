import { integer, type Step, type StepContext, type StepMessage } from "@busbar/core";
import * as v from "valibot";
import { mapSamples, withSamples, type Sample } from "./samples.ts";
import type { Series, SeriesStates } from "./series-states.ts";

/** Config fields that every step with a memory of series has: spread them into its schema. */
export const seriesFields = {
  series: v.pipe(v.optional(integer(1, 1_000_000), 10_000), v.description("Series (a tag on a topic) that are remembered; beyond it those that were quiet longest are forgotten. Default 10000, 1 to 1000000.")),
  late: v.pipe(
    v.optional(v.picklist(["pass", "drop"]), "pass"),
    v.description("What becomes of a reading that is older than the newest of its series: pass = it goes on with its own time, never as a retained value; drop = it goes nowhere. Either way the step forgets nothing newer for it. Default pass."),
  ),
};

/** What a step does with the readings of a series. */
export interface SampleStepOptions<S> {
  readonly states: SeriesStates<S>;
  readonly late: "pass" | "drop";
  readonly context: StepContext;
  /** Which tags it is about; the others pass untouched. Default: all. */
  readonly concerns?: ((tag: string) => boolean) | undefined;
  /** Takes a reading that is in order (`SeriesStates.admit`): gives what goes on in its place, or undefined. */
  readonly each: (sample: Sample, series: Series<S>, message: StepMessage) => Sample | undefined;
}

/**
 * The frame of a step that lets readings pass, changes or holds them back: one rule for those that are late. They are counted as "late"; where the message is a retained one, those that pass go in a message of their own
 * that is not, so that they never take the place of newer values. A message without readings passes.
 */
export function sampleStep<S>({ states, late, context, concerns, each }: SampleStepOptions<S>): Step {
  let message: StepMessage;
  let older: Sample[] = [];
  const visit = (sample: Sample): Sample | undefined => {
    if (concerns !== undefined && !concerns(sample.tag)) return sample;
    const series = states.of(message.topic, sample.tag);
    if (states.admit(series, sample.time)) return each(sample, series, message);
    context.count("late");
    if (late === "drop") return undefined;
    if (message.retain !== true) return sample;
    older.push(sample);
    return undefined;
  };
  return (next, emit) => {
    message = next;
    const passing = mapSamples(next, visit);
    if (passing !== undefined) emit(passing);
    if (older.length === 0) return;
    const left = older;
    older = [];
    emit(withSamples({ ...next, retain: false }, left));
  };
}
