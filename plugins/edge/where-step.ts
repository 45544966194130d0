import { defineStep, integer, type StepContext } from "@busbar/core";
import * as v from "valibot";
import { expression, expressionFault, type Expression } from "./expression.ts";
import { LastValues } from "./last-values.ts";
import { ReadingScope } from "./reading-scope.ts";
import { mapSamples, type Sample } from "./samples.ts";

/** Config field of steps with expressions. */
export const onErrorField = v.pipe(
  v.optional(v.picklist(["drop", "pass"]), "drop"),
  v.description("What becomes of a reading or message whose expression cannot be evaluated, as for a tag that is not known: drop, or pass as it is. Either way it is counted as \"failed\" and logged at most once a second. Default drop."),
);

/** Config field of the steps that remember last values. */
export const lastValuesField = v.pipe(v.optional(integer(1, 1_000_000), 10_000), v.description("Series (a tag on a topic) whose last value is remembered for `tags`. Default 10000, 1 to 1000000."));

/** `where`: lets readings, or whole messages, pass for which a condition holds. One that names value, tag, unit, quality, code or time is asked of each reading, any other of the message. */
export const whereStep = defineStep({
  description: "Lets readings or messages pass for which an expression holds",
  config: v.union([
    v.pipe(expression("bool"), v.transform((condition) => ({ if: condition, onError: "drop" as const, series: 10_000 }))),
    v.strictObject({ if: expression("bool"), onError: onErrorField, series: lastValuesField }),
  ]),
  create({ if: condition, onError, series }, context) {
    const scope = new ReadingScope();
    const last = usesTags(condition) ? new LastValues(context, series) : undefined;
    const holds = (): boolean => {
      try {
        return condition.evaluate(scope) === true;
      } catch (error) {
        reportFailure(condition, context, error);
        return onError === "pass";
      }
    };
    let readings = 0;
    const visit = (sample: Sample): Sample | undefined => {
      readings++;
      scope.sample = sample;
      return holds() ? sample : undefined;
    };
    return (message, emit) => {
      scope.message = message;
      last?.note(message);
      if (last !== undefined) scope.tags = last.of(message.topic);
      if (!condition.ofReading) {
        if (holds()) emit(message);
        return;
      }
      readings = 0;
      const passing = mapSamples(message, visit);
      if (passing !== undefined && readings > 0) emit(passing);
    };
  },
});

/** Whether it needs the last known values. */
export function usesTags({ tags }: Expression): boolean {
  return tags === undefined || tags.size > 0;
}

/** Says that an expression could not be evaluated. */
export function reportFailure({ text }: Expression, context: StepContext, error: unknown): void {
  context.count("failed");
  context.log.warn("expression cannot be evaluated", { expression: text, fault: expressionFault(error) });
}
