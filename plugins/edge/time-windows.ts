import * as v from "valibot";
import { parseCounter } from "./counter-increase.ts";
import { CounterTrack, type CounterTrackOptions } from "./counter-track.ts";
import type { Quality } from "./samples.ts";
import { WindowStatistics } from "./window-statistics.ts";

/** A sample as windows take it in: `value` is undefined where it has none that counts (bad, or no number). */
export interface WindowSample {
  readonly time: number;
  readonly value: number | undefined;
  readonly quality: Quality;
  /** Whether the value holds until the next one, instead of leading to it in a straight line. */
  readonly holds: boolean;
}

/** A window that has closed: from `start` on, up to but without `end`, ms since the Unix epoch. */
export interface ClosedWindow {
  readonly start: number;
  readonly end: number;
  readonly statistics: WindowStatistics;
}

/** What windows of time and windows of a number of samples have in common. */
export interface WindowsOptions {
  /** The longest time between two samples that the line through them bridges, ms. */
  readonly gap: number;
  /** Where the values are those of a counter. */
  readonly counter: CounterTrackOptions | undefined;
  /** See `QuantileSketch`; 0 where no percentiles are wanted. */
  readonly sketchLimit: number;
}

/** Windows of one length, one every so often, of which one begins at `shift`; ms. */
export interface TimeWindowsOptions extends WindowsOptions {
  readonly size: number;
  /** At most `size`. */
  readonly every: number;
  readonly shift: number;
}

interface Pane {
  readonly start: number;
  readonly statistics: WindowStatistics;
}

/** The last point of the line: `origin` is the time of the sample that it stems from. */
interface LinePoint {
  readonly time: number;
  readonly value: number;
  readonly holds: boolean;
  readonly origin: number;
}

const kept = v.strictObject({
  panes: v.array(v.tuple([v.number(), v.unknown()])),
  line: v.nullable(v.strictObject({ time: v.number(), value: v.number(), holds: v.boolean(), origin: v.number() })),
  closed: v.nullable(v.number()),
  counter: v.unknown(),
});

/**
 * The windows of one series, tumbling (`every` = `size`) or sliding. Time is cut into panes of the greatest length of which both are multiples; each pane holds statistics, and a window is its panes
 * merged, so that memory does not grow with the number of samples. The line through the samples is cut at the edges of panes: the integrals of windows that follow each other add up to that of all.
 */
export class TimeWindows {
  readonly #options: TimeWindowsOptions;
  readonly #pane: number;
  readonly #counter: CounterTrack | undefined;
  #panes: Pane[] = [];
  #line: LinePoint | undefined;
  /** The end of the last window that closed. */
  #closed = Number.NEGATIVE_INFINITY;

  constructor(options: TimeWindowsOptions) {
    this.#options = options;
    this.#pane = commonDivisor(options.size, options.every);
    this.#counter = options.counter && new CounterTrack(options.counter);
  }

  /** Whether a window is open. */
  get open(): boolean {
    return this.#panes.length > 0;
  }

  /** Takes a sample in, in order of time, and gives `close` the windows that end before it. False when all windows that it belongs to have closed; nothing has changed then. */
  add(sample: WindowSample, close: (window: ClosedWindow) => void): boolean {
    const start = this.#startOf(sample.time);
    if (start < this.#closed + this.#options.every - this.#options.size) return false;
    this.#draw(sample);
    this.#close(sample.time, close, true);
    const { statistics } = this.#paneAt(start);
    statistics.addSample(sample.value, sample.quality);
    const value = parseCounter(sample.value);
    const step = value === undefined ? undefined : this.#counter?.add(sample.time, value);
    if (step) statistics.addIncrease(step.by, step.elapsed);
    return true;
  }

  /** Closes the windows that end by a time, as no sample up to there is expected any more. The line holds its last value up to the end of each. */
  closeUntil(time: number, close: (window: ClosedWindow) => void): void {
    this.#close(time, close, false);
  }

  /** What it knows, as plain JSON. */
  snapshot(): unknown {
    return {
      panes: this.#panes.map(({ start, statistics }) => [start, statistics.snapshot()]),
      line: this.#line ?? null,
      closed: Number.isFinite(this.#closed) ? this.#closed : null,
      counter: this.#counter?.snapshot() ?? null,
    };
  }

  /** Goes on from a snapshot. False when it is none; then nothing has changed. */
  restore(snapshot: unknown): boolean {
    const { success, output } = v.safeParse(kept, snapshot);
    if (!success) return false;
    const panes = output.panes.map(([start, data]) => ({ start, statistics: WindowStatistics.from(data, this.#options.sketchLimit) }));
    if (!panes.every((pane): pane is Pane => pane.statistics !== undefined)) return false;
    if (this.#counter && !this.#counter.restore(output.counter)) return false;
    this.#panes = panes;
    this.#line = output.line ?? undefined;
    this.#closed = output.closed ?? Number.NEGATIVE_INFINITY;
    return true;
  }

  /** Draws the line on to a sample. One without a value ends it. */
  #draw({ time, value, holds }: WindowSample): void {
    if (value === undefined) {
      this.#line = undefined;
      return;
    }
    if (this.#line && time < this.#line.time) return; // held beyond it when a window closed
    if (this.#line && time - this.#line.origin <= this.#options.gap) this.#fill(this.#line, time, this.#line.holds ? this.#line.value : value);
    this.#line = { time, value, holds, origin: time };
  }

  /** Gives each pane its piece of the line from a point to another. */
  #fill({ time: from, value }: LinePoint, to: number, last: number): void {
    const slope = (last - value) / (to - from);
    for (let start = from; start < to; ) {
      const pane = this.#startOf(start);
      const end = Math.min(to, pane + this.#pane);
      const middle = value + slope * ((start + end) / 2 - from);
      this.#paneAt(pane).statistics.addArea(middle * (end - start), end - start);
      start = end;
    }
  }

  #close(until: number, close: (window: ClosedWindow) => void, bySample: boolean): void {
    const { size, every, shift, gap } = this.#options;
    for (let oldest = this.#panes[0]; oldest; oldest = this.#panes[0]) {
      const end = Math.max(Math.floor((oldest.start - shift) / every) * every + shift + every, this.#closed + every);
      if (end > until) return;
      const begin = end - size;
      const seen = this.#panes.some(({ start, statistics }) => start >= begin && start < end && statistics.samples > 0);
      const line = this.#line;
      if (!bySample && seen && line && line.time < end && end - line.origin <= gap) {
        this.#fill(line, end, line.value);
        this.#line = { ...line, time: end };
      }
      const statistics = this.#merge(begin, end);
      this.#closed = end;
      this.#panes = this.#panes.filter(({ start }) => start >= begin + every);
      if (seen || (bySample && statistics.covered > 0)) close({ start: begin, end, statistics });
    }
  }

  #merge(begin: number, end: number): WindowStatistics {
    const merged = new WindowStatistics(this.#options.sketchLimit);
    for (const { start, statistics } of this.#panes) if (start >= begin && start < end) merged.merge(statistics);
    return merged;
  }

  /** The pane that begins at a time, made where it is new. */
  #paneAt(start: number): Pane {
    let at = this.#panes.length;
    while (at > 0 && this.#panes[at - 1]!.start > start) at--;
    const found = this.#panes[at - 1];
    if (found?.start === start) return found;
    const made = { start, statistics: new WindowStatistics(this.#options.sketchLimit) };
    this.#panes.splice(at, 0, made);
    return made;
  }

  #startOf(time: number): number {
    return Math.floor((time - this.#options.shift) / this.#pane) * this.#pane + this.#options.shift;
  }
}

/** The greatest number of which both are multiples. */
export function commonDivisor(one: number, other: number): number {
  return other === 0 ? one : commonDivisor(other, one % other);
}
