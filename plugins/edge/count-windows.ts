import * as v from "valibot";
import { parseCounter } from "./counter-increase.ts";
import { CounterTrack } from "./counter-track.ts";
import type { ClosedWindow, WindowSample, WindowsOptions } from "./time-windows.ts";
import { WindowStatistics } from "./window-statistics.ts";

/** Windows of a number of samples, one every so many. */
export interface CountWindowsOptions extends WindowsOptions {
  readonly count: number;
  /** At most `count`. */
  readonly every: number;
}

/** `every` samples of a window, or fewer as long as they come. */
interface Part {
  start: number;
  end: number;
  readonly statistics: WindowStatistics;
}

const kept = v.strictObject({
  parts: v.array(v.tuple([v.number(), v.number(), v.unknown()])),
  line: v.nullable(v.strictObject({ time: v.number(), value: v.number(), holds: v.boolean() })),
  counter: v.unknown(),
});

/**
 * The windows of one series by number of samples, of whatever quality. A window lasts from the time of its first sample to that of its last. A piece of the line through the samples belongs
 * where its later end does, so that the integrals of windows that follow each other add up to that of all.
 */
export class CountWindows {
  readonly #options: CountWindowsOptions;
  readonly #size: number;
  readonly #counter: CounterTrack | undefined;
  #parts: Part[] = [];
  #line: { readonly time: number; readonly value: number; readonly holds: boolean } | undefined;

  /** @throws {RangeError} when `count` is no multiple of `every`. */
  constructor(options: CountWindowsOptions) {
    if (options.count % options.every !== 0) throw new RangeError(`Cannot make windows of ${options.count} samples every ${options.every}: the one is no multiple of the other`);
    this.#options = options;
    this.#size = options.every;
    this.#counter = options.counter && new CounterTrack(options.counter);
  }

  /** Whether a window waits to be closed by time: never. */
  get open(): boolean {
    return false;
  }

  /** Takes a sample in, in order of time, and gives `close` the window that it completes. */
  add(sample: WindowSample, close: (window: ClosedWindow) => void): boolean {
    let part = this.#parts.at(-1);
    if (!part || part.statistics.samples === this.#size) {
      part = { start: sample.time, end: sample.time, statistics: new WindowStatistics(this.#options.sketchLimit) };
      this.#parts.push(part);
    }
    part.end = sample.time;
    this.#draw(sample, part.statistics);
    part.statistics.addSample(sample.value, sample.quality);
    const value = parseCounter(sample.value);
    const step = value === undefined ? undefined : this.#counter?.add(sample.time, value);
    if (step) part.statistics.addIncrease(step.by, step.elapsed);
    const full = this.#parts.length * this.#size === this.#options.count && part.statistics.samples === this.#size;
    if (!full) return true;
    const statistics = new WindowStatistics(this.#options.sketchLimit);
    for (const one of this.#parts) statistics.merge(one.statistics);
    const { start } = this.#parts.shift()!;
    close({ start, end: sample.time, statistics });
    return true;
  }

  /** Nothing: a window by number waits for its samples. */
  closeUntil(): void {}

  /** What it knows, as plain JSON. */
  snapshot(): unknown {
    return { parts: this.#parts.map(({ start, end, statistics }) => [start, end, statistics.snapshot()]), line: this.#line ?? null, counter: this.#counter?.snapshot() ?? null };
  }

  /** Goes on from a snapshot. False when it is none; then nothing has changed. */
  restore(snapshot: unknown): boolean {
    const { success, output } = v.safeParse(kept, snapshot);
    if (!success) return false;
    const parts = output.parts.map(([start, end, data]) => ({ start, end, statistics: WindowStatistics.from(data, this.#options.sketchLimit) }));
    if (!parts.every((part): part is Part => part.statistics !== undefined)) return false;
    if (this.#counter && !this.#counter.restore(output.counter)) return false;
    this.#parts = parts;
    this.#line = output.line ?? undefined;
    return true;
  }

  #draw({ time, value, holds }: WindowSample, statistics: WindowStatistics): void {
    const line = this.#line;
    this.#line = value === undefined ? undefined : { time, value, holds };
    if (!line || value === undefined || time - line.time > this.#options.gap) return;
    const elapsed = time - line.time;
    statistics.addArea((line.holds ? line.value : (line.value + value) / 2) * elapsed, elapsed);
  }
}
