import { defineStep, integer } from "@busbar/core";
import * as v from "valibot";
import { type Conversion, createConversion, linear } from "./convert-unit.ts";
import { tagsField, tagTest } from "./glob.ts";
import { mapSamples, type Sample } from "./samples.ts";
import { findUnit } from "./unit.ts";
import { unitsByQuantity, unitText } from "./unit-field.ts";

const unitList = "Default: each reading's own.";
const config = v.pipe(
  v.strictObject({
    to: v.pipe(v.optional(v.union([unitText(), unitsByQuantity()])), v.description("The unit that readings get, or one for each quantity. Readings of another quantity, without a unit or with one that is not known pass as they are and are counted.")),
    from: v.pipe(v.optional(unitText()), v.description(`The unit of the readings that are converted; those in another one pass as they are. With \`tags\`, readings without a unit are in this one. ${unitList}`)),
    tags: tagsField(),
    scale: v.pipe(v.optional(v.pipe(v.number(), v.finite(), v.check((scale) => scale !== 0, "must not be 0"))), v.description("Instead of `to`: what values are multiplied by.")),
    offset: v.pipe(v.optional(v.pipe(v.number(), v.finite())), v.description("With `scale` or alone: what is added to values then.")),
    unit: v.pipe(v.optional(v.pipe(v.string(), v.maxLength(64))), v.description("With `scale` or `offset`: the unit that readings get. Default: the one they had.")),
    decimals: v.pipe(v.optional(integer(0, 12)), v.description("Decimals that converted values are rounded to, 0 to 12. Default: as they come, to 14 digits.")),
  }),
  v.check(({ to, scale, offset }) => to !== undefined || scale !== undefined || offset !== undefined, "says not what to convert to: name a unit in `to`, or `scale` or `offset`"),
  v.forward(v.check(({ to, scale, offset, unit }) => to === undefined || (scale === undefined && offset === undefined && unit === undefined), "cannot stand beside scale, offset or unit: it knows them by itself"), ["to"]),
  v.forward(v.check(({ from, to }) => from === undefined || to !== undefined, "is of use with `to` only"), ["from"]),
  v.forward(
    v.check(({ from, to }) => from === undefined || typeof to !== "string" || findUnit(from)?.quantity === findUnit(to)?.quantity, "measures something else than `to`"),
    ["from"],
  ),
);

/** A conversion and the unit that it leads to. */
interface Target {
  readonly convert: Conversion;
  readonly unit: string | undefined;
}

/** Texts of units whose conversion is remembered. */
const targetLimit = 1000;

/** `convert`: brings readings into other units, by quantity, from one unit to another, or by scale and offset. A value that is no number stays. */
export const convertStep = defineStep({
  description: "Brings readings into other units",
  config,
  create({ to, from, tags, scale = 1, offset = 0, unit, decimals }, context) {
    const concerns = tagTest(tags);
    const round = 10 ** (decimals ?? 0);
    const own: Target = { convert: linear(scale, offset), unit };
    const targets = new Map<string, Target | null>();
    const source = from === undefined ? undefined : findUnit(from);

    /** How values in a unit are converted; null for not at all. */
    const find = (text: string): Target | null => {
      const given = findUnit(text);
      const wanted = given && (typeof to === "object" ? to[given.quantity] : to);
      const goal = wanted === undefined ? undefined : findUnit(wanted);
      if (!given || !goal || (source && given.symbol !== source.symbol)) return null;
      const convert = createConversion(given, goal);
      return convert ? { convert, unit: wanted } : null;
    };
    const targetOf = (text: string | undefined): Target | null => {
      if (to === undefined) return own;
      const key = text ?? (tags === undefined ? undefined : from);
      if (key === undefined) return null;
      let target = targets.get(key);
      if (target === undefined) {
        if (targets.size >= targetLimit) targets.clear();
        targets.set(key, (target = find(key)));
      }
      return target;
    };
    const change = (sample: Sample): Sample => {
      if (concerns !== undefined && !concerns(sample.tag)) return sample;
      const { value } = sample;
      if (typeof value !== "number" && value !== null) return sample;
      const target = targetOf(sample.unit);
      if (target === null) {
        context.count("not-converted");
        return sample;
      }
      if (typeof value !== "number") return target.unit === undefined ? sample : { ...sample, unit: target.unit };
      const converted = target.convert(value);
      return { ...sample, value: decimals === undefined ? converted : Math.round(converted * round) / round, unit: target.unit ?? sample.unit };
    };
    return (message, emit) => {
      const changed = mapSamples(message, change);
      if (changed !== undefined) emit(changed);
    };
  },
});
