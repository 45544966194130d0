import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { aggregate, aggregateNames } from "./aggregate.ts";
import { SeriesWindows, type SeriesWindowsOptions } from "./series-windows.ts";
import type { ClosedWindow, TimeWindowsOptions, WindowSample } from "./time-windows.ts";

const names = [...aggregateNames, "p0", "p5", "p90", "p99.9", "p100"];
const per = 1000;

interface Result {
  readonly start: number;
  readonly end: number;
  readonly values: Readonly<Record<string, number | undefined>>;
}

/** Every aggregate by its definition, from all samples that there are. Nothing of it is incremental. */
function reference(all: readonly WindowSample[], inside: (sample: WindowSample) => boolean, { start, end, pieces, gap }: { readonly start: number; readonly end: number; readonly pieces: readonly (readonly [number, number])[]; readonly gap: number }): Result {
  const samples = all.filter(inside);
  const usable = samples.flatMap(({ value }) => (value === undefined ? [] : [value]));
  const sorted = usable.toSorted((one, other) => one - other);
  const sum = (list: readonly number[]): number => list.reduce((total, one) => total + one, 0);
  const some = (value: number): number | undefined => (usable.length > 0 ? value : undefined);
  const mean = sum(usable) / usable.length;
  const squares = sum(usable.map((value) => (value - mean) ** 2));
  const quantile = (rank: number): number | undefined => {
    const place = rank * (sorted.length - 1);
    return some(sorted[Math.floor(place)]! + (sorted[Math.ceil(place)]! - sorted[Math.floor(place)]!) * (place - Math.floor(place)));
  };
  const area = sum(pieces.map(([value]) => value));
  const covered = sum(pieces.map(([, length]) => length));
  const numeric = all.filter(({ value }) => value !== undefined && value >= 0).filter(({ time }, at, list) => list[at - 1]?.time !== time);
  const rises = numeric.flatMap((sample, at) => {
    const before = numeric[at - 1];
    if (!inside(sample) || !before || sample.time - before.time > gap) return [];
    return [[sample.value! >= before.value! ? sample.value! - before.value! : sample.value!, sample.time - before.time] as const];
  });
  const increase = sum(rises.map(([by]) => by));
  const counted = sum(rises.map(([, elapsed]) => elapsed));
  return {
    start,
    end,
    values: {
      mean: some(mean), "time-mean": covered > 0 ? area / covered : undefined, min: some(Math.min(...usable)), max: some(Math.max(...usable)), range: some(Math.max(...usable) - Math.min(...usable)), sum: some(sum(usable)),
      first: usable[0], last: usable.at(-1), delta: some(usable.at(-1)! - usable[0]!), stddev: usable.length > 1 ? Math.sqrt(squares / (usable.length - 1)) : undefined, "stddev-population": some(Math.sqrt(squares / usable.length)),
      median: quantile(0.5), integral: covered > 0 ? area / per : undefined, coverage: end > start ? Math.min(1, covered / (end - start)) : undefined,
      increase: counted > 0 ? increase : undefined, rate: counted > 0 ? (increase * per) / counted : undefined,
      count: usable.length, good: samples.length > 0 ? samples.filter(({ quality }) => quality === "good").length / samples.length : undefined,
      p0: quantile(0), p5: quantile(0.05), p90: quantile(0.9), "p99.9": quantile(0.999), p100: quantile(1),
    },
  };
}

/** The pieces of the line through samples that lie within a window: area and length of each. */
function piecesOf(samples: readonly WindowSample[], { start, end, gap }: { readonly start: number; readonly end: number; readonly gap: number }): readonly (readonly [number, number])[] {
  return samples.flatMap((to, at) => {
    const from = samples[at - 1];
    if (from?.value === undefined || to.value === undefined || to.time - from.time > gap) return [];
    const [begin, finish] = [Math.max(start, from.time), Math.min(end, to.time)];
    if (finish <= begin) return [];
    const valueAt = (time: number): number => (from.holds ? from.value! : from.value! + ((to.value! - from.value!) * (time - from.time)) / (to.time - from.time));
    return [[((valueAt(begin) + valueAt(finish)) / 2) * (finish - begin), finish - begin] as const];
  });
}

function timeReference(samples: readonly WindowSample[], { size, every, shift, gap }: TimeWindowsOptions): readonly Result[] {
  const results: Result[] = [];
  if (samples.length === 0) return results;
  const [from, to] = [samples[0]!.time, samples.at(-1)!.time];
  for (let end = Math.floor((from - shift) / every) * every + shift + every; end <= to; end += every) {
    const start = end - size;
    const pieces = piecesOf(samples, { start, end, gap });
    const result = reference(samples, ({ time }) => time >= start && time < end, { start, end, pieces, gap });
    if (result.values["good"] !== undefined || pieces.length > 0) results.push(result);
  }
  return results;
}

function countReference(samples: readonly WindowSample[], { count, every, gap }: { readonly count: number; readonly every: number; readonly gap: number }): readonly Result[] {
  const results: Result[] = [];
  for (let to = count; to <= samples.length; to += every) {
    const own = samples.slice(to - count, to);
    const pieces = own.flatMap((sample, at) => {
      const before = samples[to - count + at - 1];
      return before ? piecesOf([before, sample], { start: -Infinity, end: Infinity, gap }) : [];
    });
    results.push(reference(samples, (sample) => own.includes(sample), { start: own[0]!.time, end: own.at(-1)!.time, pieces, gap }));
  }
  return results;
}

function resultOf({ start, end, statistics }: ClosedWindow): Result {
  return { start, end, values: Object.fromEntries(names.map((name) => [name, aggregate(name, statistics, { length: end - start, per })])) };
}

function assertSame(found: readonly Result[], wanted: readonly Result[], scale: number): void {
  assert.deepEqual(found.map(({ start, end }) => [start, end]), wanted.map(({ start, end }) => [start, end]));
  for (const [at, { values }] of wanted.entries()) {
    for (const name of names) {
      const [one, other] = [found[at]!.values[name], values[name]];
      const near = one === other || (one !== undefined && other !== undefined && Math.abs(one - other) <= 1e-7 * Math.max(scale, Math.abs(other)));
      assert.ok(near, `${name} of the window from ${wanted[at]!.start} to ${wanted[at]!.end}: ${one}, not ${other}`);
    }
  }
}

/** Two samples behind all others: the second lets the first, and what is before it, go. */
function closing(samples: readonly WindowSample[], lateness: number): readonly WindowSample[] {
  const first = Math.max(base, ...samples.map(({ time }) => time)) + 10_000;
  return [first, first + Math.max(1, lateness)].map((time) => ({ time, value: undefined, quality: "bad", holds: false }));
}

/** Puts samples through, in the order given, with a restart through JSON before those named. Gives what closes by samples alone, and fails where one is late. */
function run(options: SeriesWindowsOptions, arriving: readonly WindowSample[], restarts: ReadonlySet<number>): readonly Result[] {
  const results: Result[] = [];
  let series = new SeriesWindows(options);
  for (const [at, sample] of arriving.entries()) {
    if (restarts.has(at)) {
      const next = new SeriesWindows(options);
      assert.equal(next.restore(JSON.parse(JSON.stringify(series.snapshot())), 0), true);
      series = next;
    }
    series.add(sample, 0, (window) => results.push(resultOf(window)));
  }
  for (const sample of closing(arriving, options.lateness)) series.add(sample, 0, (window) => results.push(resultOf(window)));
  return results;
}

const base = 1_700_000_000_000;
const sampleShape = fc.record({
  step: fc.oneof({ weight: 8, arbitrary: fc.integer({ min: 0, max: 900 }) }, { weight: 1, arbitrary: fc.integer({ min: 1000, max: 20_000 }) }),
  value: fc.oneof({ weight: 6, arbitrary: fc.double({ min: -1000, max: 1000, noNaN: true }) }, { weight: 3, arbitrary: fc.integer({ min: 0, max: 10 }) }, { weight: 1, arbitrary: fc.constant(undefined) }),
  quality: fc.constantFrom("good", "good", "good", "uncertain"),
  holds: fc.boolean(),
  delay: fc.double({ min: 0, max: 1, noNaN: true }),
});
const arrivals = fc.record({ shapes: fc.array(sampleShape, { maxLength: 80, size: "max" }), lateness: fc.constantFrom(0, 1, 500, 3000), restarts: fc.array(fc.nat(79), { maxLength: 3 }) }).map(({ shapes, lateness, restarts }) => {
  let time = base;
  const timed = shapes.map(({ step, value, holds, quality, delay }) => ({ sample: { time: (time += step), value, holds, quality: value === undefined ? "bad" : quality } as WindowSample, at: time + delay * lateness }));
  const arriving = timed.toSorted((one, other) => one.at - other.at).map(({ sample }) => sample);
  return { arriving, sorted: arriving.toSorted((one, other) => one.time - other.time), lateness, restarts: new Set(restarts) };
});
const common = { limit: 1000, idle: 1000, late: () => assert.fail("within the lateness none is late") };
const slots = fc.constantFrom([1000, 1000], [1000, 250], [3000, 2000], [60_000, 60_000], [1000, 300], [900, 600]) as fc.Arbitrary<readonly [number, number]>;

test("SeriesWindows by time equal a plain reference over the sorted samples, whatever the order within the lateness, restarted anywhere", () => {
  fc.assert(
    fc.property(arrivals, slots, fc.integer({ min: -5000, max: 5000 }), fc.constantFrom(0, 1000, 5000, 15_000), ({ arriving, sorted, lateness, restarts }, [size, every], shift, gap) => {
      const windows = { size, every, shift, gap, sketchLimit: 1000, counter: { modulus: undefined, gap } };
      const released = [...sorted, ...closing(sorted, lateness).slice(0, lateness === 0 ? 2 : 1)];
      assertSame(run({ ...common, lateness, windows }, arriving, restarts), timeReference(released, windows), 1000 * Math.max(1, gap / per));
    }),
    { numRuns: 400, endOnFailure: true },
  );
});

test("SeriesWindows by number of samples equal a plain reference over the sorted samples, whatever the order within the lateness, restarted anywhere", () => {
  fc.assert(
    fc.property(arrivals, fc.constantFrom([1, 1], [5, 5], [6, 2], [10, 1]), fc.constantFrom(1000, 5000), ({ arriving, sorted, lateness, restarts }, [count, every], gap) => {
      const windows = { count: count!, every: every!, gap, sketchLimit: 1000, counter: { modulus: undefined, gap } };
      const released = [...sorted, ...closing(sorted, lateness).slice(0, lateness === 0 ? 2 : 1)];
      assertSame(run({ ...common, lateness, windows }, arriving, restarts), countReference(released, windows), 1000 * Math.max(1, gap / per));
    }),
    { numRuns: 300, endOnFailure: true },
  );
});

test("SeriesWindows tells each window once and each sample in every window that is its own, or as late, whatever comes when", () => {
  const act = fc.oneof({ weight: 4, arbitrary: fc.record({ time: fc.integer({ min: 0, max: 30_000 }) }) }, { weight: 1, arbitrary: fc.record({ wait: fc.integer({ min: 0, max: 8000 }) }) });
  fc.assert(
    fc.property(fc.array(act, { maxLength: 80, size: "max" }), fc.constantFrom(0, 500, 5000), fc.constantFrom(1, 2, 4), fc.nat(80), (acts, lateness, overlap, restart) => {
      const size = 2000;
      let late = 0;
      const options: SeriesWindowsOptions = { lateness, idle: 1000, limit: 20, late: () => late++, windows: { size, every: size / overlap, shift: 0, gap: 3000, counter: undefined, sketchLimit: 100 } };
      const closed: ClosedWindow[] = [];
      const close = (window: ClosedWindow): void => void closed.push(window);
      let series = new SeriesWindows(options);
      let [now, samples] = [0, 0];
      for (const [at, one] of acts.entries()) {
        if (at === restart) {
          const next = new SeriesWindows(options);
          assert.equal(next.restore(JSON.parse(JSON.stringify(series.snapshot())), now), true);
          series = next;
        }
        if ("time" in one) series.add({ time: one.time, value: ++samples, quality: "good", holds: false }, now, close);
        else series.elapse((now += one.wait), close);
      }
      series.finish(close);
      for (const [at, { start, end, statistics }] of closed.entries()) {
        assert.equal(end - start, size);
        assert.equal(end % (size / overlap), 0);
        assert.ok(at === 0 || end > closed[at - 1]!.end, "each once, in order");
        assert.ok(statistics.covered <= size);
      }
      const counted = closed.reduce((sum, { statistics }) => sum + statistics.count, 0);
      if (overlap === 1) assert.equal(counted + late, samples);
      else assert.ok(counted <= (samples - late) * overlap && counted >= samples - late, "a late one may be in time for the windows that are still open");
    }),
    { numRuns: 400, endOnFailure: true },
  );
});
