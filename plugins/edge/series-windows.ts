import * as v from "valibot";
import { CountWindows, type CountWindowsOptions } from "./count-windows.ts";
import { ReorderBuffer, type ReorderOptions } from "./reorder-buffer.ts";
import { type ClosedWindow, TimeWindows, type TimeWindowsOptions, type WindowSample } from "./time-windows.ts";

/** How the samples of a series become windows. */
export interface SeriesWindowsOptions extends ReorderOptions {
  readonly windows: TimeWindowsOptions | CountWindowsOptions;
  /** ms by the gateway's clock; a series from which nothing has come for that long goes on by the clock. */
  readonly idle: number;
  /** Called for each sample that came too late: newer ones were counted already, or all its windows are closed. It changes nothing. */
  readonly late: () => void;
}

const kept = v.strictObject({
  order: v.strictObject({ newest: v.nullable(v.number()), released: v.nullable(v.number()), waiting: v.array(v.tuple([v.number(), v.nullable(v.number()), v.picklist(["good", "uncertain", "bad"]), v.boolean()])) }),
  windows: v.unknown(),
  arrived: v.number(),
});

/**
 * The windows of one series, whose samples may come in any order within `lateness`: whatever the order, the results are those of the samples sorted by time. When nothing comes for `idle` the time of the
 * series is taken to go on as the gateway's does, so that a window closes without a sample behind it.
 */
export class SeriesWindows {
  readonly #options: SeriesWindowsOptions;
  readonly #order: ReorderBuffer<WindowSample>;
  readonly #windows: TimeWindows | CountWindows;
  /** When the last sample came, by the gateway's clock. */
  #arrived = 0;
  /** When it began, or went on from a snapshot: a source is given time to come back after a restart. */
  #begun = 0;
  #close: (window: ClosedWindow) => void = () => {};
  readonly #take = (sample: WindowSample): void => {
    if (!this.#windows.add(sample, this.#close)) this.#options.late();
  };

  constructor(options: SeriesWindowsOptions) {
    this.#options = options;
    this.#order = new ReorderBuffer(options);
    this.#windows = "count" in options.windows ? new CountWindows(options.windows) : new TimeWindows(options.windows);
  }

  /** Takes a sample in, at `now` by the gateway's clock, and gives `close` the windows that are complete, in order. */
  add(sample: WindowSample, now: number, close: (window: ClosedWindow) => void): void {
    this.#arrived = now;
    this.#close = close;
    if (!this.#order.add(sample, this.#take)) this.#options.late();
  }

  /** Gives `close` the windows that are complete now that it is `now` by the gateway's clock. To be called now and then. */
  elapse(now: number, close: (window: ClosedWindow) => void): void {
    const silence = now - this.#arrived;
    if (now - Math.max(this.#arrived, this.#begun) < this.#options.idle || (this.#order.waiting.length === 0 && !this.#windows.open)) return;
    const until = this.#order.newest + silence - this.#options.lateness;
    this.#close = close;
    this.#order.release(until, this.#take);
    this.#windows.closeUntil(until, close);
  }

  /** Gives `close` all windows of time that are open, as nothing more will come. */
  finish(close: (window: ClosedWindow) => void): void {
    this.#close = close;
    this.#order.release(Number.POSITIVE_INFINITY, this.#take);
    this.#windows.closeUntil(Number.POSITIVE_INFINITY, close);
  }

  /** What it knows, as plain JSON. */
  snapshot(): unknown {
    const { newest, released, waiting } = this.#order.snapshot();
    const short = waiting.map(({ time, value = null, quality, holds }) => [time, value, quality, holds]);
    return { order: { newest, released, waiting: short }, windows: this.#windows.snapshot(), arrived: this.#arrived };
  }

  /** Goes on from a snapshot, at `now` by the gateway's clock. False when it is none; then nothing has changed. */
  restore(snapshot: unknown, now: number): boolean {
    const { success, output } = v.safeParse(kept, snapshot);
    if (!success || !this.#windows.restore(output.windows)) return false;
    this.#order.restore({ ...output.order, waiting: output.order.waiting.map(([time, value, quality, holds]) => ({ time, value: value ?? undefined, quality, holds })) });
    this.#arrived = output.arrived;
    this.#begun = now;
    return true;
  }
}
