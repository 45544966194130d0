import { defineStep, duration } from "@busbar/core";
import * as v from "valibot";
import { tagsField, tagTest } from "./glob.ts";
import { baseOf, loadBase, type MessageBase } from "./message-base.ts";
import { loadSample, withSamples, type Quality, type Sample } from "./samples.ts";
import { sampleStep, seriesFields } from "./sample-step.ts";
import { SeriesStates, type Series } from "./series-states.ts";

/** What is known of a series: the reading that was sent last, and the newest one that was held back since. */
interface Sent {
  value: unknown;
  quality: Quality;
  unit: string | undefined;
  /** Its event time; -Infinity before the first. */
  time: number;
  /** When it was sent, on the gateway's clock. */
  at: number;
  held: Sample | undefined;
  base: MessageBase | undefined;
}

const finite = (text: string, min: number) => v.pipe(v.optional(v.pipe(v.number(), v.finite(), v.minValue(min))), v.description(text));

/**
 * `deadband`: sends a reading on only when it differs enough from the one that was sent last (OPC 10000-4 §7.22.2: by more than the deadband). A reading whose quality or unit is another always passes, and so does
 * one that is no number and differs. `heartbeat`: a series of which readings come is sent at least so often; it never makes up a reading, so a source that is silent stays silent.
 */
export const deadbandStep = defineStep({
  description: "Sends readings on only when they change by more than a deadband, and at least every so often",
  config: v.pipe(
    v.strictObject({
      absolute: finite("By how much a number must differ, in its own unit; 0 = by anything. Default 0.", 0),
      percent: finite("By how many percent it must differ instead: of `range`, else of the value that was sent last. 0 or more. Default: none.", 0),
      range: v.pipe(
        v.optional(v.pipe(v.tuple([v.pipe(v.number(), v.finite()), v.pipe(v.number(), v.finite())]), v.check(([low, high]) => low < high, "must be [low, high] with low < high"))),
        v.description("The range of the measurement that `percent` is of, [low, high]. Default: none."),
      ),
      heartbeat: v.pipe(v.optional(duration(10, 31 * 86_400_000)), v.description("How long a series of which readings come may go unsent, such as 1m: 10ms to 31d. Default: for ever.")),
      tags: tagsField(),
      ...seriesFields,
    }),
    v.check(({ absolute, percent }) => absolute === undefined || percent === undefined, "has both absolute and percent: it must have one of them"),
    v.check(({ percent, range }) => range === undefined || percent !== undefined, "has a range, which percent is of, but no percent"),
  ),
  create({ absolute, percent, range, heartbeat, tags, series: limit, late }, context) {
    const { clock } = context;
    const fixed = range && percent !== undefined ? ((range[1] - range[0]) * percent) / 100 : (absolute ?? 0);
    const share = percent !== undefined && !range ? percent / 100 : 0;
    let cancel: (() => void) | undefined;

    const isSame = (sample: Sample, state: Sent): boolean => {
      const { value, quality, unit } = sample;
      if (quality !== state.quality || unit !== state.unit) return false;
      if (typeof value !== "number" || typeof state.value !== "number") return isEqualValue(value, state.value);
      return !(Math.abs(value - state.value) > (share > 0 ? share * Math.abs(state.value) : fixed));
    };
    const send = (state: Sent, sample: Sample): void => {
      state.value = sample.value;
      state.quality = sample.quality;
      state.unit = sample.unit;
      state.time = sample.time;
      state.at = clock.now();
      state.held = undefined;
    };
    /** Sends what is held back and due, and waits for what will be. */
    const beat = (): void => {
      cancel = undefined;
      const now = clock.now();
      let next = Number.POSITIVE_INFINITY;
      for (const series of states.all()) {
        const { state } = series;
        if (state.held === undefined) continue;
        const wait = state.at + heartbeat! - now;
        if (wait > 0 && wait <= heartbeat!) next = Math.min(next, wait); // longer: the clock was set back
        else sendHeld(series);
      }
      if (next < Number.POSITIVE_INFINITY) cancel = clock.after(next, beat);
    };
    const sendHeld = ({ topic, tag, state }: Series<Sent>): void => {
      const { held, base } = state;
      if (held === undefined || base === undefined) return;
      send(state, held);
      context.count("heartbeat");
      context.emit(withSamples({ ...base, timestamp: held.time, payload: null, msgid: context.msgid("heartbeat", topic, tag, held.time) }, [held]));
    };

    const states = new SeriesStates<Sent>(context, {
      limit,
      create: () => ({ value: undefined, quality: "good", unit: undefined, time: Number.NEGATIVE_INFINITY, at: 0, held: undefined, base: undefined }),
      save: ({ value, quality, unit = null, time, at, held = null, base = null }) => (Number.isFinite(time) ? [value, quality, unit, time, at, held, base] : null),
      load: loadSent,
    });
    states.keep({ anyConfig: true });
    if (heartbeat !== undefined && states.size > 0) cancel = clock.after(0, beat);

    return sampleStep({
      states, late, context,
      concerns: tagTest(tags),
      each(sample, { state }, message) {
        const beats = heartbeat !== undefined && sample.time - state.time >= heartbeat;
        if (state.time > Number.NEGATIVE_INFINITY && !beats && isSame(sample, state)) {
          if (heartbeat === undefined) return undefined;
          state.held = sample;
          state.base = baseOf(message, state.base);
          cancel ??= clock.after(Math.min(heartbeat, Math.max(0, state.at + heartbeat - clock.now())), beat);
          return undefined;
        }
        send(state, sample);
        return sample;
      },
    });
  },
});

/** Whether two values that are not both numbers are the same. */
function isEqualValue(one: unknown, other: unknown): boolean {
  return one === other || (typeof one === "object" && typeof other === "object" && JSON.stringify(one) === JSON.stringify(other));
}

const savedSchema = v.tuple([v.unknown(), v.picklist(["good", "uncertain", "bad"]), v.nullable(v.string()), v.number(), v.number(), v.unknown(), v.unknown()]);

function loadSent(saved: unknown): Sent | undefined {
  const parsed = v.safeParse(savedSchema, saved);
  if (!parsed.success) return undefined;
  const [value, quality, unit, time, at, held, base] = parsed.output;
  return { value, quality, unit: unit ?? undefined, time, at, held: loadSample(held), base: loadBase(base) };
}
