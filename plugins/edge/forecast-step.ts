import { defineStep, duration, integer, type Step, type StepMessage } from "@busbar/core";
import * as v from "valibot";
import { Deadlines } from "./deadlines.ts";
import { FitQueue } from "./fit-queue.ts";
import { Forecaster, type ForecasterOptions } from "./forecaster.ts";
import { loadForecastSeries, type ForecastSeries } from "./forecast-series.ts";
import { seedLength } from "./holt-winters.ts";
import { addToGrid, advanceGrid, type GridEvents, type GridOptions } from "./regular-grid.ts";
import { samplesOf, type Sample } from "./samples.ts";
import { SeriesStates, type Series } from "./series-states.ts";

/** Standard deviations of the normal distribution to both sides of the mean that hold so much of it. */
const deviationsOf: Readonly<Record<string, number>> = { "0.5": 0.6745, "0.8": 1.2816, "0.9": 1.6449, "0.95": 1.96, "0.99": 2.5758 };

const weight = (what: string) => v.pipe(v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1))), v.description(`${what}, 0 to 1. Default: fitted to the history.`));

const config = v.pipe(
  v.strictObject({
    tags: v.pipe(v.array(v.pipe(v.string(), v.minLength(1), v.maxLength(256))), v.minLength(1), v.maxLength(1000), v.description("The tags that are forecast.")),
    bucket: v.pipe(duration(100, 7 * 86_400_000), v.description("The grid: the forecast is made of the means of such stretches of time, counted from midnight UTC. 100ms to 7d.")),
    season: v.pipe(v.optional(duration(200, 366 * 86_400_000)), v.description("What repeats itself, such as 24h or 7d: 2 to 2016 buckets. Default: nothing does, only level and trend are followed.")),
    kind: v.pipe(v.optional(v.picklist(["additive", "multiplicative"]), "additive"), v.description("additive: a season adds to the level. multiplicative: it scales with it; values must be more than 0. Default additive.")),
    horizon: v.pipe(v.optional(duration(100, 366 * 86_400_000)), v.description("How far the forecast goes: 1 to 1000 buckets. Default: a season, or 10 buckets.")),
    every: v.pipe(v.optional(integer(1, 1000), 1), v.description("Buckets from one forecast to the next. Default 1, 1 to 1000.")),
    interval: v.pipe(v.optional(v.picklist([0.5, 0.8, 0.9, 0.95, 0.99]), 0.95), v.description("Share of the values to come that are to lie between low and high. 0.5, 0.8, 0.9, 0.95 or 0.99; default 0.95.")),
    alpha: weight("Weight of the new in the level"),
    beta: weight("Weight of the new in the trend"),
    gamma: weight("Weight of the new in the season"),
    damping: v.pipe(v.optional(v.pipe(v.number(), v.minValue(0.5), v.maxValue(1)), 1), v.description("What is left of the trend from one bucket to the next: less than 1 lets it run out. Default 1, 0.5 to 1.")),
    history: v.pipe(v.optional(integer(20, 10_000)), v.description("Buckets that the weights are fitted to. Default: 4 seasons, at most 10000, or 200 buckets. 20 to 10000, at least 2 seasons.")),
    refit: v.pipe(v.optional(integer(1, 100_000)), v.description("Buckets after which the weights are fitted anew. Default: a season, or 100.")),
    lateness: v.pipe(v.optional(duration(0, 7 * 86_400_000), 0), v.description("How long a bucket waits, by the time of the source, for samples that are late: up to 100 buckets. Default 0.")),
    output: v.pipe(v.optional(v.pipe(v.string(), v.maxLength(128), v.includes("{tag}")), "{tag}.forecast"), v.description("The tag of the forecast; .low and .high are added for the interval. Default {tag}.forecast.")),
    series: v.pipe(v.optional(integer(1, 1000), 100), v.description("Series (a tag of a source) that are forecast; beyond it those that were quiet longest are forgotten. Default 100, 1 to 1000.")),
  }),
  v.check(({ bucket, season }) => season === undefined || (season % bucket === 0 && season / bucket >= 2 && season / bucket <= 2016), "must have a season of 2 to 2016 whole buckets"),
  v.check(({ bucket, horizon }) => horizon === undefined || (horizon >= bucket && horizon / bucket <= 1000), "must have a horizon of 1 to 1000 buckets"),
  v.check(({ bucket, season, history }) => history === undefined || season === undefined || history >= (2 * season) / bucket, "must have a history of at least two seasons"),
  v.check(({ bucket, lateness }) => lateness <= 100 * bucket, "must have a lateness of at most 100 buckets"),
);

/** Runs through the history that one fit may take. */
const evaluations = 200;

/** Milliseconds by which the time of a sample may be ahead of the gateway's clock. */
const aheadLimit = 60_000;

/** `forecast`: follows level, trend and season of a tag (Holt-Winters) and emits, bucket by bucket, what is to come: readings with times of their own, so that they are stored and charted like any others. */
export const forecastStep = defineStep({
  description: "Forecasts a tag with Holt-Winters (level, trend, season): emits readings with times to come, and the interval they are likely to lie in",
  config,
  create(options, context) {
    const { tags, bucket, every, interval, output, series: limit } = options;
    const { clock } = context;
    const grid: GridOptions = { bucket, lateness: options.lateness, gap: 2 * Math.max(5, (options.season ?? 0) / bucket) };
    const forecasting = forecasterOptions(options);
    const horizon = Math.floor((options.horizon ?? options.season ?? 10 * bucket) / bucket);
    const watched = new Set(tags);
    const fits = new FitQueue(clock);
    const deadlines = new Deadlines<Series<ForecastSeries>>(clock, (series) => {
      advanceGrid(series.state.grid, grid, { time: nextEnd(series, grid), events, target: series });
      if (series.state.grid.open.length > 0) deadlines.set(series, clock.now() + bucket);
    });
    context.defer(() => {
      fits.close();
      deadlines.close();
    });
    let send: (message: StepMessage) => void = context.emit;

    const say = (series: Series<ForecastSeries>): void => {
      const { state, topic, tag } = series;
      const { forecaster, end, unit } = state;
      state.unsaid = 0;
      const name = output.replace("{tag}", tag);
      const reading = (of: string, value: number, at: number): object => ({ tag: of, value, ...(unit === undefined ? {} : { unit }), timestamp: end + (at + 1) * bucket });
      const values = forecaster.forecast({ horizon, deviations: deviationsOf[interval]! }).flatMap(({ value, low, high }, at) => (Number.isFinite(high - low) ? [reading(name, value, at), reading(`${name}.low`, low, at), reading(`${name}.high`, high, at)] : []));
      if (values.length === 0) return context.count("no-forecast");
      const slash = topic.indexOf("/");
      send({ type: topic.slice(0, slash), from: topic.slice(slash + 1), to: "server", topic, payload: { values }, timestamp: end, qos: 0, retain: false, msgid: context.msgid(topic, tag, end) });
    };
    const fit = (series: Series<ForecastSeries>): void => {
      const first = !series.state.forecaster.ready;
      fits.add(series.state.forecaster, () => first && say(series));
    };
    const events: GridEvents<Series<ForecastSeries>> = {
      closed(series, value, end) {
        const { state } = series;
        const usable = value !== null && options.kind === "multiplicative" && value <= 0 ? null : value;
        if (usable !== value) context.count("not-positive");
        state.forecaster.add(usable);
        state.end = end;
        state.unsaid++;
        if (state.forecaster.ready && state.unsaid >= every) say(series);
        if (state.forecaster.wantsFit) fit(series);
      },
      broken(series) {
        context.count("broken");
        fits.delete(series.state.forecaster);
        series.state.forecaster.restart();
      },
    };

    const states = new SeriesStates<ForecastSeries>(context, {
      limit,
      create: () => ({ grid: { start: null, open: [] }, forecaster: new Forecaster(forecasting, { history: [], sinceFit: 0 }), end: 0, unsaid: 0, unit: undefined }),
      save: ({ grid: open, forecaster, end, unsaid, unit }) => ({ grid: open, forecaster: forecaster.state, end, unsaid, unit }),
      load: (saved) => loadForecastSeries(saved, forecasting),
      forget(series) {
        deadlines.delete(series);
        fits.delete(series.state.forecaster);
      },
    });
    states.keep({ anyConfig: false });
    for (const series of states.all()) {
      if (series.state.forecaster.wantsFit) fit(series);
      if (series.state.grid.open.length > 0) deadlines.set(series, clock.now() + Math.max(0, nextEnd(series, grid) - series.newest));
    }

    const take = (topic: string, { tag, value, quality, time, unit }: Sample): void => {
      if (!watched.has(tag) || typeof value !== "number" || !Number.isFinite(value) || quality === "bad") return;
      if (time > clock.now() + Math.max(aheadLimit, bucket)) return context.count("ahead"); // it would close buckets that are still to come
      const series = states.of(topic, tag);
      states.admit(series, time);
      if (!addToGrid(series.state.grid, grid, { value, time, events, target: series })) return context.count("late");
      series.state.unit = unit;
      if (series.newest === time) deadlines.set(series, clock.now() + nextEnd(series, grid) - time);
    };
    const step: Step = (message, emit) => {
      send = emit;
      try {
        for (const sample of samplesOf(message)) take(message.topic, sample);
      } finally {
        send = context.emit;
      }
    };
    return step;
  },
});

function forecasterOptions({ bucket, season, kind, history, refit, alpha, beta, gamma, damping }: v.InferOutput<typeof config>): ForecasterOptions {
  const model = { season: season === undefined ? 1 : season / bucket, kind };
  const given = Object.fromEntries(Object.entries({ alpha, beta, gamma }).filter(([, value]) => value !== undefined));
  return {
    model,
    fixed: { ...given, phi: damping },
    history: history ?? (season === undefined ? 200 : Math.max(seedLength(model), Math.min(10_000, 4 * model.season))),
    refit: refit ?? (season === undefined ? 100 : model.season),
    evaluations,
  };
}

/** When, at the source, the oldest open bucket is over and has waited long enough. */
function nextEnd({ state }: Series<ForecastSeries>, { bucket, lateness }: GridOptions): number {
  return (state.grid.start ?? 0) + bucket + lateness;
}
