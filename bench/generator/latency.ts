import { createHistogram } from "node:perf_hooks";

/** What a histogram of latencies says, in microseconds. */
export interface LatencySummary {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** A minute: what takes longer is lost. */
const highestNs = 60e9;

/**
 * Latencies in a high dynamic range histogram: constant memory, three significant digits from a nanosecond to a minute.
 * Times are milliseconds of `performance.now()`.
 */
export class LatencyRecorder {
  readonly #histogram = createHistogram({ lowest: 1, highest: highestNs, figures: 3 });
  #from = Number.POSITIVE_INFINITY;

  /** Begins recording: messages that were due before `from` belong to the warm-up. */
  begin(from: number): void {
    this.#from = from;
  }

  /**
   * Records a message that was due at `due` and arrived at `now`. In an open loop `due` is when it should have been sent, not
   * when it was: otherwise a stall of the server would also stall the clock of the messages behind it (coordinated omission).
   */
  record(due: number, now: number): void {
    if (due >= this.#from) this.#histogram.record(Math.min(highestNs, Math.max(1, Math.round((now - due) * 1e6))));
  }

  /** All zero when nothing was recorded. */
  summary(): LatencySummary {
    const us = (percentile: number): number => (this.#histogram.count === 0 ? 0 : this.#histogram.percentile(percentile) / 1000);
    return { p50: us(50), p99: us(99), p999: us(99.9), max: us(100) };
  }
}
