import { defineStep, type Step, type StepMessage } from "@busbar/core";
import * as v from "valibot";
import { expression, type Expression } from "./expression.ts";
import { tagsField, tagTest } from "./glob.ts";
import { LastValues } from "./last-values.ts";
import { ReadingScope } from "./reading-scope.ts";
import { addSamples, mapSamples, type Quality, type Sample } from "./samples.ts";
import { lastValuesField, onErrorField, reportFailure, usesTags } from "./where-step.ts";

const formula = () => v.pipe(expression("value"), v.check(({ ofReading }) => !ofReading, "names value, tag, unit, quality, code or time, which are those of a single reading: here it must name tags.x instead"));
const computed = v.union([
  v.pipe(formula(), v.transform((value) => ({ value, unit: undefined }))),
  v.strictObject({ value: formula(), unit: v.pipe(v.optional(v.pipe(v.string(), v.maxLength(64))), v.description("The unit of the result. Default: none.")) }),
]);

/**
 * `map`: changes readings by expressions (`each`), and computes new ones from others (`set`), of this message or remembered from earlier ones of its topic. What is computed has the worst quality and the newest time of the
 * tags it names; it is computed when one of them comes, and not as long as one of them has never come.
 */
export const mapStep = defineStep({
  description: "Changes readings and computes new ones by expressions",
  config: v.pipe(
    v.strictObject({
      each: v.pipe(v.optional(expression("value")), v.description("The new value of each reading, such as value * 0.1.")),
      tags: tagsField(),
      unit: v.pipe(v.optional(v.pipe(v.string(), v.maxLength(64))), v.description("The unit that `each` gives. Default: the one it had.")),
      set: v.pipe(v.optional(v.pipe(v.record(v.pipe(v.string(), v.minLength(1), v.maxLength(256)), computed), v.maxEntries(1_000)), {}), v.description("Tags and the expressions that compute them, such as power: tags.voltage * tags.current. Default: none.")),
      onError: onErrorField,
      series: lastValuesField,
    }),
    v.check(({ each, set }) => each !== undefined || Object.keys(set).length > 0, "says neither what becomes of each reading nor what is set"),
  ),
  create({ each, tags, unit, set, onError, series }, context): Step {
    const scope = new ReadingScope();
    const concerns = tagTest(tags);
    const outputs = Object.entries(set).map(([tag, one]) => ({ tag, ...one }));
    const last = [...(each ? [each] : []), ...outputs.map(({ value }) => value)].some(usesTags) ? new LastValues(context, series) : undefined;

    const change = (sample: Sample): Sample | undefined => {
      if (each === undefined || (concerns !== undefined && !concerns(sample.tag))) return sample;
      scope.sample = sample;
      try {
        const value = each.evaluate(scope);
        return unit === undefined && value === sample.value ? sample : { ...sample, value, unit: unit ?? sample.unit };
      } catch (error) {
        reportFailure(each, context, error);
        return onError === "pass" ? sample : undefined;
      }
    };

    const compute = (message: StepMessage, came: readonly Sample[]): Sample[] => {
      const results: Sample[] = [];
      for (const { tag, value: formula, unit: given } of outputs) {
        const basis = basisOf(formula, message, came);
        if (basis === undefined) continue;
        try {
          results.push({ tag, value: formula.evaluate(scope), unit: given, quality: basis.quality, time: basis.time });
        } catch (error) {
          reportFailure(formula, context, error);
        }
      }
      return results;
    };

    /** What a result rests on; undefined where it is not to be computed. */
    const basisOf = (formula: Expression, message: StepMessage, came: readonly Sample[]): { readonly quality: Quality; readonly time: number } | undefined => {
      const named = formula.tags;
      if (named === undefined || named.size === 0) return { quality: "good", time: message.timestamp };
      return came.some((sample) => named.has(sample.tag)) ? last!.judge(message.topic, named, formula.optionalTags) : undefined;
    };

    return (message, emit) => {
      scope.message = message;
      const came = last?.note(message) ?? [];
      if (last !== undefined) scope.tags = last.of(message.topic);
      const changed = each === undefined ? message : mapSamples(message, change);
      const results = outputs.length === 0 ? [] : compute(message, came);
      if (results.length > 0) emit(addSamples(changed ?? { ...message, payload: { values: [] } }, results));
      else if (changed !== undefined) emit(changed);
    };
  },
});
