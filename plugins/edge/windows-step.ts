import { defineStep, type Step, type StepMessage } from "@busbar/core";
import * as v from "valibot";
import { aggregate, aggregateUnit, needsArea, needsCounter, needsQuantiles } from "./aggregate.ts";
import { counterOptions, perUnits } from "./counter-fields.ts";
import { tagTest } from "./glob.ts";
import { baseOf, loadBase, type MessageBase } from "./message-base.ts";
import { mapSamples, type Quality, type Sample } from "./samples.ts";
import { type Series, SeriesStates } from "./series-states.ts";
import { SeriesWindows, type SeriesWindowsOptions } from "./series-windows.ts";
import type { ClosedWindow } from "./time-windows.ts";
import type { WindowStatistics } from "./window-statistics.ts";
import { windowsConfig } from "./windows-config.ts";

interface WindowsState {
  /** The tags of the results, in the order of `aggregates`. */
  readonly names: readonly string[];
  windows: SeriesWindows;
  unit: string | undefined;
  base: MessageBase | undefined;
}

/** A source whose clock is further ahead than this, ms, is not believed: its readings count for the time at which they come. */
const aheadLimit = 60_000;
/** How often it is looked for windows that the clock closes, ms. */
const sweepEvery = 1000;

const kept = v.object({ windows: v.unknown(), unit: v.optional(v.string()), base: v.unknown() });

/**
 * `windows`: takes readings and emits a message with the aggregates of each window of each series, when it has closed: `timestamp` is the window's end, and `start` and `end` stand in the payload. Readings are put in
 * order of their own time first; one that comes too late for that is counted and dropped, and changes no result that was sent. The readings themselves go no further.
 */
export const windowsStep = defineStep({
  description: "Turns readings into aggregates of windows: tumbling, sliding or by number; mean, extremes, percentiles, integrals, counters and more",
  config: windowsConfig,
  create(config, context): Step {
    const { aggregates, tags, name, good, series: limit } = config;
    const per = perUnits[config.per];
    const concerns = tagTest(tags);
    const options = { ...seriesOptions(config), late: () => context.count("late") };
    const create = (tag: string): WindowsState => ({ names: aggregates.map((one) => name.replaceAll("{tag}", () => tag).replaceAll("{aggregate}", one)), windows: new SeriesWindows(options), unit: undefined, base: undefined });

    const states = new SeriesStates<WindowsState>(context, {
      limit,
      create,
      save: ({ windows, unit, base }) => ({ windows: windows.snapshot(), unit, base }),
      load(saved, tag) {
        const { success, output } = v.safeParse(kept, saved);
        const state = create(tag);
        if (!success || !state.windows.restore(output.windows, context.clock.now())) return undefined;
        return { ...state, unit: output.unit, base: loadBase(output.base) };
      },
      forget: (series) => series.state.windows.finish((window) => tell(series, window, context.emit)),
    });

    const tell = ({ topic, tag, state }: Series<WindowsState>, { start, end, statistics }: ClosedWindow, emit: (message: StepMessage) => void): void => {
      const { names, unit, base } = state;
      if (base === undefined) return;
      const quality = qualityOf(statistics, good);
      const values = aggregates.flatMap((one, at) => {
        const value = aggregate(one, statistics, { length: end - start, per: per.ms }) ?? null;
        if (value === null && quality !== "bad") return [];
        const of = aggregateUnit(one, unit, per.symbol);
        return [{ tag: names[at]!, value, ...(of === undefined ? {} : { unit: of }), quality }];
      });
      if (values.length > 0) emit({ ...base, retain: false, timestamp: end, msgid: context.msgid(topic, tag, start, end), payload: { values, quality, start, end } });
    };

    let message: StepMessage;
    let onward: (message: StepMessage) => void = context.emit;
    let current: Series<WindowsState>;
    const close = (window: ClosedWindow): void => tell(current, window, onward);
    const take = (sample: Sample): Sample | undefined => {
      if (concerns !== undefined && !concerns(sample.tag)) return sample;
      const value = valueOf(sample);
      if (value === undefined && sample.quality !== "bad") {
        context.count("not-a-number");
        return undefined;
      }
      const now = context.clock.now();
      const series = (current = states.of(message.topic, sample.tag));
      const { state } = series;
      if (sample.unit !== undefined && sample.unit !== state.unit) {
        if (state.unit !== undefined) begin(series);
        state.unit = sample.unit;
      }
      state.base = baseOf(message, state.base);
      const ahead = sample.time > now + aheadLimit;
      if (ahead) context.count("ahead");
      state.windows.add({ time: ahead ? now : sample.time, value, quality: sample.quality, holds: config.stepped || typeof sample.value === "boolean" }, now, close);
      return undefined;
    };
    /** Windows of values in two units would tell nothing: what is open is given up. */
    const begin = ({ state }: Series<WindowsState>): void => {
      context.count("unit-changed");
      state.windows = new SeriesWindows(options);
    };

    states.keep({ anyConfig: false });
    context.clock.every(sweepEvery, () => {
      const now = context.clock.now();
      onward = context.emit;
      for (current of states.all()) current.state.windows.elapse(now, close);
    });
    return (next, emit) => {
      message = next;
      onward = emit;
      const rest = mapSamples(next, take);
      if (rest !== undefined) emit(rest);
    };
  },
});

function seriesOptions(config: v.InferOutput<typeof windowsConfig>): Omit<SeriesWindowsOptions, "late"> {
  const { size, count, every, zone, aggregates, lateness, idle, gap = size ?? 3_600_000, samples, waiting } = config;
  const shared = {
    gap: aggregates.some(needsArea) ? gap : 0,
    counter: aggregates.some(needsCounter) ? { ...counterOptions(config, perUnits[config.per].ms), gap } : undefined,
    sketchLimit: aggregates.some(needsQuantiles) ? samples : 0,
  };
  const windows = count === undefined ? { ...shared, size: size!, every: every ?? size!, shift: -zoneOffset(zone) } : { ...shared, count, every: every ?? count };
  return { windows, lateness, idle, limit: waiting };
}

/** Of a window: bad without any value, uncertain where too few of its readings are good, or where it has none and only the line through its neighbours. */
function qualityOf({ samples, good, count, covered }: WindowStatistics, wanted: number): Quality {
  if (count === 0) return covered > 0 ? "uncertain" : "bad";
  return good >= wanted * samples ? "good" : "uncertain";
}

/** "+02:00" in ms. */
function zoneOffset(zone: string): number {
  const [hours, minutes] = zone.slice(1).split(":").map(Number) as [number, number];
  return (zone.startsWith("-") ? -1 : 1) * (hours * 60 + minutes) * 60_000;
}

/** The number that a reading stands for; undefined where it has none that counts. */
function valueOf({ value, quality }: Sample): number | undefined {
  if (quality === "bad") return undefined;
  if (typeof value === "boolean") return value ? 1 : 0;
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}
