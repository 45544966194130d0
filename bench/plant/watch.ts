import { writeFileSync } from "node:fs";
import { definePlugin, duration } from "@busbar/core";
import * as v from "valibot";

/** What one tag was seen to do. */
interface Track {
  /** Time of the last sample, ms since the Unix epoch. */
  last: number;
  samples: number;
  missed: number;
}

/** What the watch has found, in one run. */
export interface PlantReport {
  readonly seconds: number;
  readonly tags: number;
  readonly samples: number;
  /** Samples that should have come between two that came: their times are further apart than 1.5 periods. */
  readonly missed: number;
  /** Tags of which nothing came in the last five periods. */
  readonly silent: number;
  readonly notGood: number;
  /** Milliseconds by which a timer of 10 ms came too late. */
  readonly lag: { readonly p50: number; readonly p99: number; readonly max: number };
}

const tick = 10;
/** Milliseconds from the first sample until it counts: connections open, caches warm up. */
const warmUp = 20_000;

/** Runs in the gateway that is measured: counts what comes of each tag and what is missing, and how late timers are. Writes a PlantReport. */
export default definePlugin({
  name: "watch",
  description: "Counts samples, and how late the event loop is",
  config: v.strictObject({
    duration: duration(1000, 86_400_000),
    /** Where the report goes. */
    report: v.string(),
    /** The devices' periods in ms, by the first level of their ids. */
    periods: v.record(v.string(), v.number()),
  }),
  setup(ctx) {
    const { config, clock } = ctx;
    const tracks = new Map<string, Map<string, Track>>();
    const lags: number[] = [];
    let began: number | undefined;
    let notGood = 0;
    const counts = (): boolean => began !== undefined && clock.now() - began >= warmUp;

    ctx.bus.subscribe("status/#", ({ from, payload, timestamp }) => {
      const period = config.periods[from.slice(0, from.indexOf("/"))];
      if (period === undefined) return;
      began ??= clock.now();
      const counting = counts();
      let tags = tracks.get(from);
      if (tags === undefined) tracks.set(from, (tags = new Map()));
      const { values, quality: common } = payload as { readonly values: readonly { readonly tag: string; readonly quality?: string; readonly timestamp?: number }[]; readonly quality?: string };
      for (const { tag, quality, timestamp: own } of values) {
        const time = own ?? timestamp;
        let track = tags.get(tag);
        if (track === undefined) tags.set(tag, (track = { last: time, samples: 0, missed: 0 }));
        if (counting) {
          track.samples++;
          if ((quality ?? common ?? "good") !== "good") notGood++;
          if (time - track.last > 1.5 * period) track.missed += Math.round((time - track.last) / period) - 1;
        }
        if (time > track.last) track.last = time;
      }
    });

    let due = performance.now() + tick;
    const beat = (): void => {
      const now = performance.now();
      if (counts()) lags.push(Math.max(0, now - due));
      due = now + tick;
      timer = setTimeout(beat, tick); // not ctx.clock: this is what is measured
    };
    let timer = setTimeout(beat, tick);
    ctx.defer(() => clearTimeout(timer));

    const end = clock.every(1000, () => {
      if (began === undefined || clock.now() - began < warmUp + config.duration) return;
      end();
      const now = clock.now();
      const all = [...tracks].flatMap(([from, tags]) => [...tags.values()].map((track) => ({ ...track, period: config.periods[from.slice(0, from.indexOf("/"))]! })));
      lags.sort((one, other) => one - other);
      const sum = (of: (track: Track) => number): number => all.reduce((total, track) => total + of(track), 0);
      const report: PlantReport = {
        seconds: (now - began - warmUp) / 1000,
        tags: all.length,
        samples: sum(({ samples }) => samples),
        missed: sum(({ missed }) => missed),
        silent: all.filter(({ last, period }) => now - last > 5 * period + 1000).length,
        notGood,
        lag: { p50: lags[Math.floor(lags.length * 0.5)] ?? NaN, p99: lags[Math.floor(lags.length * 0.99)] ?? NaN, max: lags.at(-1) ?? NaN },
      };
      writeFileSync(ctx.path(config.report), JSON.stringify(report));
    });
    ctx.defer(end);
  },
});
