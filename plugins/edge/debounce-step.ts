import { defineStep, duration } from "@busbar/core";
import * as v from "valibot";
import { tagsField, tagTest } from "./glob.ts";
import { baseOf, loadBase, type MessageBase } from "./message-base.ts";
import { loadSample, withSamples, type Sample } from "./samples.ts";
import { sampleStep, seriesFields } from "./sample-step.ts";
import { SeriesStates, type Series } from "./series-states.ts";

/** What is known of a series: the value that counts, and the one that may come to count, with the timer that will say so. */
interface Settled {
  /** The reading whose value counts; undefined before the first. */
  steady: Sample | undefined;
  /** The first reading of another value. */
  candidate: Sample | undefined;
  base: MessageBase | undefined;
  cancel: (() => void) | undefined;
}

/**
 * `debounce`: another value counts only once it has stayed the same for a while. It is then sent with the time at which it came; readings of the value that counts pass, all others are held back. Meant for switches and
 * states; of a number any other one is another value. A reading of another quality passes at once.
 */
export const debounceStep = defineStep({
  description: "Holds a changed value back until it has stayed the same for a while",
  config: v.strictObject({
    for: v.pipe(duration(1, 7 * 86_400_000), v.description("How long it must stay the same, such as 200ms: 1ms to 7d.")),
    tags: tagsField(),
    ...seriesFields,
  }),
  create({ for: length, tags, series: limit, late }, context) {
    const { clock } = context;
    const states = new SeriesStates<Settled>(context, {
      limit,
      create: () => ({ steady: undefined, candidate: undefined, base: undefined, cancel: undefined }),
      save: ({ steady = null, candidate = null, base = null }) => [steady, candidate, base],
      load: loadSettled,
      forget: ({ state }) => state.cancel?.(),
    });

    const drop = (state: Settled): void => {
      state.cancel?.();
      state.cancel = undefined;
      state.candidate = undefined;
    };
    const accept = ({ topic, tag, state }: Series<Settled>): void => {
      const { candidate, base } = state;
      drop(state);
      if (candidate === undefined || base === undefined) return;
      state.steady = candidate;
      context.emit(withSamples({ ...base, timestamp: candidate.time, payload: null, msgid: context.msgid("settled", topic, tag, candidate.time) }, [candidate]));
    };
    const wait = (series: Series<Settled>): void => void (series.state.cancel = clock.after(length, () => accept(series)));

    states.keep({ anyConfig: true });
    for (const series of states.all()) if (series.state.candidate !== undefined) wait(series);

    return sampleStep({
      states, late, context,
      concerns: tagTest(tags),
      each(sample, series, message) {
        const { state } = series;
        if (state.candidate !== undefined && sample.value === state.candidate.value && sample.time - state.candidate.time >= length) accept(series);
        if (state.steady === undefined || sample.quality !== state.steady.quality || sample.value === state.steady.value) {
          drop(state);
          state.steady = sample;
          return sample;
        }
        if (sample.value === state.candidate?.value) return undefined;
        drop(state);
        state.candidate = sample;
        state.base = baseOf(message, state.base);
        wait(series);
        return undefined;
      },
    });
  },
});

const savedSchema = v.tuple([v.unknown(), v.unknown(), v.unknown()]);

function loadSettled(saved: unknown): Settled | undefined {
  const parsed = v.safeParse(savedSchema, saved);
  if (!parsed.success) return undefined;
  const [steady, candidate, base] = parsed.output;
  return { steady: loadSample(steady), candidate: loadSample(candidate), base: loadBase(base), cancel: undefined };
}
