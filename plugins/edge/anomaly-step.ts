import { defineStep, duration, integer, isId, type Step, type StepContext, type StepMessage } from "@busbar/core";
import * as v from "valibot";
import { createAnomalyEvent } from "./anomaly-event.ts";
import { judgeAnomaly, markActive, type AnomalyFinding, type AnomalySettings, type AnomalyState } from "./anomaly-judge.ts";
import { Deadlines } from "./deadlines.ts";
import { sampleStep, seriesFields } from "./sample-step.ts";
import { samplesOf, withSamples, type Sample } from "./samples.ts";
import { SeriesStates, type Series } from "./series-states.ts";

const day = 86_400_000;
const positive = (what: string) => v.pipe(v.optional(v.pipe(v.number(), v.finite(), v.check((value) => value > 0, "must be more than 0"))), v.description(what));
const width = (what: string) => v.pipe(v.optional(v.pipe(v.number(), v.finite(), v.minValue(0)), 0), v.description(what));
const described = <const S extends v.GenericSchema>(what: string, schema: S) => v.pipe(v.optional(schema), v.description(what));

const config = v.pipe(
  v.strictObject({
    tags: v.pipe(v.optional(v.pipe(v.array(v.pipe(v.string(), v.minLength(1), v.maxLength(256))), v.minLength(1), v.maxLength(10_000))), v.description("The tags that are watched. Default: all.")),
    zScore: described(
      "Finds values that are far from the exponentially weighted mean of the series. Default: not looked for.",
      v.pipe(
        v.strictObject({
          threshold: v.pipe(v.optional(v.pipe(v.number(), v.minValue(1), v.maxValue(100)), 4), v.description("Standard deviations from the mean at which a value is an anomaly. Default 4, 1 to 100.")),
          alpha: v.pipe(v.optional(v.pipe(v.number(), v.minValue(0.0001), v.maxValue(1))), v.description("Weight of a new value in the mean, whatever its distance in time. Default 0.05, 0.0001 to 1.")),
          halfLife: v.pipe(v.optional(duration(1, 365 * day)), v.description("Instead of alpha: the time after which a value has half of its weight, for samples at uneven times. 1ms to 365d.")),
          warmUp: v.pipe(v.optional(integer(2, 100_000), 30), v.description("Values that the mean is learned from before anything is judged. Default 30, 2 to 100000.")),
          minDeviation: width("The standard deviation counts as this at least, in the tag's unit: what is closer to the mean than this times the threshold is never an anomaly. Default 0."),
          relearn: v.pipe(v.optional(integer(2, 100_000), 50), v.description("So many anomalies in succession are the new normal, and the mean is learned anew. Default 50, 2 to 100000.")),
        }),
        v.check(({ alpha, halfLife }) => alpha === undefined || halfLife === undefined, "must have alpha or halfLife, not both"),
      ),
    ),
    rate: described(
      "Finds values that change too fast. Default: not looked for.",
      v.pipe(
        v.strictObject({
          rise: positive("How fast a value may rise, in its unit per second. Default: as fast as it likes."),
          fall: positive("How fast a value may fall, in its unit per second. Default: as fast as it likes."),
          over: v.pipe(v.optional(duration(0, day), 0), v.description("The time that a rate is measured over at least, so that noise between close samples does not count. Default 0, to 1d.")),
        }),
        v.check(({ rise, fall }) => rise !== undefined || fall !== undefined, "must have rise, fall or both"),
      ),
    ),
    flat: described(
      "Finds values that do not change. Default: not looked for.",
      v.strictObject({
        for: v.pipe(duration(1, 365 * day), v.description("How long a value may stay the same, by the time of the source. 1ms to 365d.")),
        within: width("Values within a band of this width are the same, in the tag's unit. Default 0: exactly the same."),
      }),
    ),
    missing: described(
      "Finds readings that do not come. Default: not looked for.",
      v.strictObject({
        for: v.pipe(duration(10, 365 * day), v.description("How long nothing may come, by the gateway's clock. 10ms to 365d.")),
        expect: v.pipe(
          v.optional(v.pipe(v.array(v.pipe(v.string(), v.check((name) => isId(partsOf(name).source) && partsOf(name).tag !== "", "must be <source>/<tag>, such as meter-1/voltage"))), v.maxLength(10_000)), []),
          v.description("Readings that must come even if they never came before: <source>/<tag>, the tag being what stands after the last slash. Default: every one that has come once."),
        ),
      }),
    ),
    action: v.pipe(
      v.optional(v.picklist(["mark", "event", "drop"]), "mark"),
      v.description("mark: readings go on, those of an anomaly with quality uncertain and a code such as anomaly/rate, one that is missing with quality bad and no value. event: an event for each beginning and end goes on, and no reading. drop: readings of an anomaly are left out. Default mark."),
    ),
    hysteresis: v.pipe(v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(0.99)), 0.2), v.description("An anomaly ends when it is below its limit by this share of it. Default 0.2, 0 to 0.99.")),
    ...seriesFields,
  }),
  v.check(({ zScore, rate, flat, missing }) => zScore !== undefined || rate !== undefined || flat !== undefined || missing !== undefined, "must have at least one of zScore, rate, flat, missing"),
  v.check(({ tags, missing }) => tags === undefined || (missing?.expect ?? []).every((name) => tags.includes(partsOf(name).tag)), "must not expect readings of other tags than those it watches"),
  v.check(({ missing, action }) => missing === undefined || action !== "drop", "cannot drop what is missing: take action mark or event"),
);

/** `anomaly`: finds values that are far from the series' mean, change too fast or not at all, and readings that do not come; marks them, leaves them out, or tells of them. */
export const anomalyStep = defineStep({
  description: "Finds anomalies in each series: values far from the mean (EWMA z-score), that change too fast, that do not change, that do not come; marks or drops them, or emits events",
  config,
  create(options, context) {
    const { tags, missing, action, late, series: limit } = options;
    const settings = settingsOf(options);
    const watched = tags && new Set(tags);
    const concerns = (tag: string): boolean => watched === undefined || watched.has(tag);
    let send: (message: StepMessage) => void = context.emit;
    const tell = (series: Series<AnomalyState>, finding: AnomalyFinding, time: number): void => {
      context.count(finding.begins ? `${finding.method}-raised` : `${finding.method}-cleared`);
      if (action === "event") send(createAnomalyEvent(series, finding, { time, settings, missing: missing?.for, context }));
    };
    const absent = openMissing(context, (series) => {
      markActive(series.state, "missing", true);
      const time = Number.isFinite(series.newest) ? series.newest + missing!.for : context.clock.now(); // not after what the source says next, whose clock may be behind
      tell(series, { method: "missing", begins: true }, time);
      if (action === "mark") context.emit(missingReading(series, time, context));
    });
    const states = new SeriesStates<AnomalyState>(context, { limit, create: () => ({ active: [], told: 0 }), save: (state) => state, load: loadState, forget: (series) => absent.delete(series) });
    states.keep({ anyConfig: false });
    const expectMore = (series: Series<AnomalyState>): void => {
      if (missing) absent.set(series, context.clock.now() + missing.for);
    };
    for (const { source, tag } of (missing?.expect ?? []).map(partsOf)) states.of(`status/${source}`, tag);
    for (const series of states.all()) if (!series.state.active.includes("missing")) expectMore(series);

    /** Judges a reading that is in order; gives what goes on in its place. */
    const judge = (sample: Sample, series: Series<AnomalyState>): Sample | undefined => {
      expectMore(series);
      const { state } = series;
      const { value } = sample;
      if (sample.quality === "bad" || typeof value !== "number" || !Number.isFinite(value)) {
        if (state.active.includes("missing")) {
          markActive(state, "missing", false);
          tell(series, { method: "missing", begins: false }, sample.time);
        }
        return sample;
      }
      state.last = { value, unit: sample.unit };
      for (const finding of judgeAnomaly(state, settings, { value, time: series.newest })) tell(series, finding, sample.time);
      if (state.active.length === 0) return sample;
      return action === "drop" ? undefined : { ...sample, quality: "uncertain", code: sample.code ?? `anomaly/${state.active.join("+")}` };
    };
    if (action !== "event") return sampleStep({ states, late, context, concerns, each: judge });
    const step: Step = (message, emit) => {
      send = emit;
      try {
        for (const sample of samplesOf(message)) {
          if (!concerns(sample.tag)) continue;
          const series = states.of(message.topic, sample.tag);
          if (states.admit(series, sample.time)) judge(sample, series);
          else context.count("late");
        }
      } finally {
        send = context.emit;
      }
    };
    return step;
  },
});

/** What `<source>/<tag>` consists of; a tag has no slash, a source may have some. */
function partsOf(name: string): { readonly source: string; readonly tag: string } {
  const slash = name.lastIndexOf("/");
  return { source: name.slice(0, Math.max(0, slash)), tag: name.slice(slash + 1) };
}

function settingsOf({ zScore, rate, flat, hysteresis }: v.InferOutput<typeof config>): AnomalySettings {
  return {
    zScore: zScore && { ...zScore, alpha: zScore.halfLife === undefined ? (zScore.alpha ?? 0.05) : undefined, halfLife: zScore.halfLife },
    rate: rate && { rise: rate.rise, fall: rate.fall, over: rate.over },
    flat,
    hysteresis,
  };
}

/** The series that something must come of, by when. */
function openMissing(context: StepContext, onMissing: (series: Series<AnomalyState>) => void): Deadlines<Series<AnomalyState>> {
  const deadlines = new Deadlines<Series<AnomalyState>>(context.clock, onMissing);
  context.defer(() => deadlines.close());
  return deadlines;
}

/** What goes on in place of the reading that did not come. */
function missingReading({ topic, tag, state }: Series<AnomalyState>, time: number, context: StepContext): StepMessage {
  const slash = topic.indexOf("/");
  const base = { type: topic.slice(0, slash), from: topic.slice(slash + 1), to: "server", topic, payload: null, timestamp: time, msgid: context.msgid(topic, tag, "missing", state.told, time) };
  return withSamples(base, [{ tag, value: null, unit: state.last?.unit, quality: "bad", code: "anomaly/missing", time }]);
}

const number = v.pipe(v.number(), v.finite());
const stateSchema = v.object({
  ewma: v.optional(v.object({ count: number, mean: number, variance: number, time: number, run: number })),
  rate: v.optional(v.object({ value: number, time: number })),
  flat: v.optional(v.object({ since: number, low: number, high: number })),
  active: v.array(v.picklist(["z-score", "rate", "flat", "missing"])),
  told: number,
  last: v.optional(v.object({ value: number, unit: v.optional(v.string()) })),
});

function loadState(saved: unknown): AnomalyState | undefined {
  const parsed = v.safeParse(stateSchema, saved);
  return parsed.success ? parsed.output : undefined;
}
