import { defineStep, duration, type Step, type StepMessage } from "@busbar/core";
import * as v from "valibot";
import { counterFields, counterOptions, hasOneEnd, perUnits, twoEnds } from "./counter-fields.ts";
import { parseCounter } from "./counter-increase.ts";
import { type CounterStep, CounterTrack } from "./counter-track.ts";
import { tagsField, tagTest } from "./glob.ts";
import { sampleStep, seriesFields } from "./sample-step.ts";
import { addSamples, type Sample } from "./samples.ts";
import { SeriesStates } from "./series-states.ts";

const longest = 31 * 86_400_000;

const config = v.pipe(
  v.strictObject({
    tags: tagsField(),
    gives: v.pipe(
      v.optional(v.pipe(v.array(v.picklist(["rate", "increase", "total"])), v.minLength(1), v.maxLength(3)), ["rate"]),
      v.description("What is told of a counter: rate, by how much it rises per `per`; increase, by how much it rose since it was last told; total, by how much it has risen since the beginning. Default rate."),
    ),
    per: v.pipe(v.optional(v.picklist(["second", "minute", "hour"]), "second"), v.description("The unit of time of the rate. Default second.")),
    name: v.pipe(v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(200), v.includes("{tag}")), "{tag}.{what}"), v.description("The tag of each result, made of {tag} and {what}. Default {tag}.{what}.")),
    keep: v.pipe(v.optional(v.boolean(), true), v.description("Whether the counter itself passes, too. Default true.")),
    ...counterFields,
    every: v.pipe(v.optional(duration(0, longest), 0), v.description("The shortest time between two results, so that few pulses make no jumpy rate. Default 0, up to 31d.")),
    gap: v.pipe(v.optional(duration(1, longest), 3_600_000), v.description("The longest time between two values of which a result is made; after a longer one it begins anew. Default 1h, 1ms to 31d.")),
    ...seriesFields,
  }),
  v.check((fields) => hasOneEnd(fields), twoEnds),
  v.forward(v.check(({ name, gives }) => gives.length === 1 || name.includes("{what}"), "must contain {what}, as there is more than one"), ["name"]),
  v.forward(v.check(({ every, gap }) => every <= gap, "must not be longer than `gap`"), ["every"]),
);

interface RateState {
  /** The tags of the results, in the order of `gives`. */
  readonly names: readonly string[];
  readonly track: CounterTrack;
  total: number;
}

const kept = v.strictObject({ track: v.unknown(), total: v.number() });

/**
 * `rate`: tells of counters how fast they rise, over roll-overs and resets, as further readings of the same message. A bad value, one that is none of a counter, and one that is not newer than the last tell nothing.
 */
export const rateStep = defineStep({
  description: "Tells how fast counters rise, over roll-overs and resets",
  config,
  create(options, context): Step {
    const { gives, name, keep, every, gap, tags, series: limit, late } = options;
    const per = perUnits[options.per];
    const counter = counterOptions(options, per.ms);
    const follow = { ...counter, gap };
    const create = (tag: string): RateState => ({ names: gives.map((what) => name.replaceAll("{tag}", () => tag).replaceAll("{what}", what)), track: new CounterTrack(follow), total: 0 });
    const states = new SeriesStates<RateState>(context, {
      limit,
      create,
      save: ({ track, total }) => ({ track: track.snapshot(), total }),
      load(saved, tag) {
        const { success, output } = v.safeParse(kept, saved);
        const state = create(tag);
        return success && state.track.restore(output.track) ? { ...state, total: output.total } : undefined;
      },
    });

    const results: Sample[] = [];
    const report = (sample: Sample, { names, total }: RateState, { by, elapsed }: CounterStep): void => {
      for (const [at, what] of gives.entries()) {
        const value = what === "rate" ? (by * per.ms) / elapsed : what === "increase" ? by : total;
        const unit = what !== "rate" ? sample.unit : sample.unit === undefined ? `1/${per.symbol}` : `${sample.unit}/${per.symbol}`;
        results.push({ tag: names[at]!, value, unit, quality: sample.quality, time: sample.time });
      }
    };
    const inner = sampleStep({
      states, late, context,
      concerns: tagTest(tags),
      each(sample, { state }) {
        const pass = keep ? sample : undefined;
        const value = sample.quality === "bad" ? undefined : parseCounter(sample.value);
        if (value === undefined) return sample;
        const before = state.track.time;
        if (before !== undefined && sample.time - before < every) return pass;
        const step = state.track.add(sample.time, value);
        if (step === undefined) return pass;
        if (step.how !== "up") context.count(step.how);
        state.total += step.by;
        report(sample, state, step);
        return pass;
      },
    });

    states.keep({ anyConfig: true });
    let retain: boolean | undefined;
    let passing: StepMessage | undefined;
    const older: StepMessage[] = [];
    const collect = (message: StepMessage): void => {
      if (message.retain === retain) passing = message;
      else older.push(message); // late readings of a retained message, to which nothing is added
    };
    return (message, emit) => {
      ({ retain } = message);
      passing = undefined;
      inner(message, collect);
      if (results.length > 0) emit(addSamples(passing ?? { ...message, payload: { values: [] } }, results.splice(0)));
      else if (passing !== undefined) emit(passing);
      for (const one of older.splice(0)) emit(one);
    };
  },
});
