import * as v from "valibot";
import { QuantileSketch } from "./quantile-sketch.ts";
import type { Quality } from "./samples.ts";

const number = v.nullable(v.number());
const kept = v.tuple([v.number(), v.number(), v.number(), number, number, number, number, number, number, number, v.number(), v.number(), v.number(), v.number(), v.nullable(v.unknown())]);

/**
 * What is known of the samples of a window, or of a part of one: parts that follow each other merge. Memory is bounded however many samples there are. Samples come in order of time.
 */
export class WindowStatistics {
  /** Samples of any quality. */
  samples = 0;
  /** Samples of good quality. */
  good = 0;
  /** Samples that have a finite number and are not bad: all that follows is about these. */
  count = 0;
  mean = 0;
  /** The sum of the squares of the deviations from the mean (Welford, Technometrics 4, 1962). */
  squares = 0;
  sum = 0;
  min = Number.POSITIVE_INFINITY;
  max = Number.NEGATIVE_INFINITY;
  first: number | undefined;
  last: number | undefined;
  /** The area below the line through the samples, in the unit of the value × ms, and how much of the time that line covers, ms. */
  area = 0;
  covered = 0;
  /** By how much a counter rose, and in what time, ms. */
  increase = 0;
  counted = 0;
  readonly #sketch: QuantileSketch | undefined;

  /** `sketchLimit`: see `QuantileSketch`; 0 where no percentiles are wanted. */
  constructor(sketchLimit: number) {
    this.#sketch = sketchLimit > 0 ? new QuantileSketch(sketchLimit) : undefined;
  }

  /** Takes in a sample; `value` is undefined where it has none that counts. */
  addSample(value: number | undefined, quality: Quality): void {
    this.samples++;
    if (quality === "good") this.good++;
    if (value === undefined) return;
    this.count++;
    const off = value - this.mean;
    this.mean += off / this.count;
    this.squares += off * (value - this.mean);
    this.sum += value;
    this.min = Math.min(this.min, value);
    this.max = Math.max(this.max, value);
    this.first ??= value;
    this.last = value;
    this.#sketch?.add(value);
  }

  /** Takes in a piece of the line through the samples. */
  addArea(area: number, covered: number): void {
    this.area += area;
    this.covered += covered;
  }

  /** Takes in what a counter rose by. */
  addIncrease(by: number, elapsed: number): void {
    this.increase += by;
    this.counted += elapsed;
  }

  /** Takes in what follows. */
  merge(later: WindowStatistics): void {
    const count = this.count + later.count;
    if (later.count > 0) {
      const off = later.mean - this.mean;
      this.mean += (off * later.count) / count;
      this.squares += later.squares + (off * off * this.count * later.count) / count;
      this.first ??= later.first;
      this.last = later.last;
      this.#sketch?.merge(later.#sketch!);
    }
    this.count = count;
    this.samples += later.samples;
    this.good += later.good;
    this.sum += later.sum;
    this.min = Math.min(this.min, later.min);
    this.max = Math.max(this.max, later.max);
    this.addArea(later.area, later.covered);
    this.addIncrease(later.increase, later.counted);
  }

  /** The percentiles of the values, each rank from 0 to 1; empty without values. @throws {TypeError} when no percentiles were wanted. */
  quantiles(ranks: readonly number[]): readonly number[] {
    if (!this.#sketch) throw new TypeError("Cannot tell percentiles: none were wanted when the window began");
    return this.#sketch.quantiles(ranks);
  }

  /** What it knows, as plain JSON. */
  snapshot(): unknown {
    const { samples, good, count, mean, squares, sum, min, max, first, last, area, covered, increase, counted } = this;
    return [samples, good, count, ...[mean, squares, sum, min, max, first, last].map((value) => (value !== undefined && Number.isFinite(value) ? value : null)), area, covered, increase, counted, this.#sketch?.snapshot() ?? null];
  }

  /** One from a snapshot; undefined when it is none. */
  static from(snapshot: unknown, sketchLimit: number): WindowStatistics | undefined {
    const { success, output } = v.safeParse(kept, snapshot);
    if (!success) return undefined;
    const made = new WindowStatistics(sketchLimit);
    let mean, squares, sum, min, max, first, last, sketch;
    [made.samples, made.good, made.count, mean, squares, sum, min, max, first, last, made.area, made.covered, made.increase, made.counted, sketch] = output;
    if (made.#sketch && !made.#sketch.restore(sketch)) return undefined;
    // numbers beyond the range of doubles are no JSON: what grew that large is no more of use than NaN
    [made.mean, made.squares, made.sum] = [mean ?? Number.NaN, squares ?? Number.NaN, sum ?? Number.NaN];
    [made.min, made.max] = [min ?? Number.POSITIVE_INFINITY, max ?? Number.NEGATIVE_INFINITY];
    [made.first, made.last] = [first ?? undefined, last ?? undefined];
    return made;
  }
}
