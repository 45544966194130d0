import type { SignalSpec } from "./signal-schema.ts";

/** What a signal is drawn within. */
export interface SignalOptions {
  /** 0 to 2^32 - 1. The same seed gives the same values. */
  readonly seed: number;
  /** The lowest and highest value; every value lies within, both ends included. */
  readonly low: number;
  readonly high: number;
}

/** A value as a function of the time since the start, in milliseconds (>= 0): it keeps no state, so any order of calls gives the same values. */
export type Signal = (elapsed: number) => number;

/** The kinds that are functions of time alone. `levels` are numbers already (booleans 0 and 1, strings their index). */
export type TimeSignalSpec =
  | Extract<SignalSpec, { kind: "sine" | "random-walk" | "spike" | "counter" }>
  | (Omit<Extract<SignalSpec, { kind: "step" }>, "levels"> & { readonly levels: readonly number[] });

/**
 * Makes the generator of one tag.
 * @throws {RangeError} when `low` is above `high`.
 */
export function createSignal(spec: TimeSignalSpec, options: SignalOptions): Signal {
  const low = "low" in spec && spec.low !== undefined ? spec.low : options.low;
  const high = "high" in spec && spec.high !== undefined ? spec.high : options.high;
  if (!(low <= high)) throw new RangeError(`Cannot create a ${spec.kind} signal: its low ${low} is above its high ${high}`);
  const { seed } = options;
  const span = high - low;
  const within = (value: number): number => Math.min(high, Math.max(low, value));
  switch (spec.kind) {
    case "sine": {
      const turn = (2 * Math.PI) / spec.period;
      const start = 2 * Math.PI * spec.phase;
      return (elapsed) => within(low + span * (0.5 + 0.5 * Math.sin(elapsed * turn + start) + spec.noise * (noiseAt(seed, elapsed) - 0.5)));
    }
    case "random-walk":
      return (elapsed) => within(low + span * wander(seed, elapsed / spec.period));
    case "step": {
      const { levels, every, shuffled } = spec;
      return (elapsed) => {
        const turn = Math.floor(elapsed / every);
        return within(levels[shuffled ? Math.floor(draw(seed, turn) * levels.length) : turn % levels.length] ?? low);
      };
    }
    case "spike":
      return (elapsed) => {
        const stretch = Math.floor(elapsed / spec.every);
        const width = Math.min(spec.width, spec.every);
        const start = draw(seed, stretch) * (spec.every - width);
        const inside = (elapsed - stretch * spec.every - start) / width;
        const shape = inside < 0 || inside > 1 ? 0 : 1 - Math.abs(2 * inside - 1);
        return within(low + span * (shape + spec.noise * noiseAt(seed + 1, elapsed) * (1 - shape)));
      };
    case "counter":
      // One step below the end counts too, so that an integer counter shows every value of its range.
      return (elapsed) => within(low + Math.floor((elapsed / 1_000) * spec.rate) % (Math.floor(span) + 1));
  }
}

/** One step of a first-order lag: where `value` is after `dt` milliseconds on its way to `target`. Splitting `dt` gives the same result. */
export function approach(value: number, target: number, options: { readonly dt: number; readonly lag: number }): number {
  return target + (value - target) * Math.exp(-options.dt / options.lag);
}

/** Uniform in [0, 1): noise that changes with every millisecond. */
export function noiseAt(seed: number, elapsed: number): number {
  return draw(seed, Math.floor(elapsed));
}

/** Makes a source of numbers in [0, 1): the same seed gives the same row of them. */
export function createDraw(seed: number): () => number {
  let n = 0;
  return () => draw(seed, ++n);
}

/** The seed of one tag: adding or removing other tags leaves it as it is. FNV-1a over `name`, mixed with the seed of the plant. */
export function seedOf(seed: number, name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return mix(hash ^ mix(seed + 0x9e3779b9)); // mixed first: a bare seed would only exchange the first letters
}

/**
 * A bounded walk that can be asked for any time: interpolated random anchors at six scales, each half as long and half as high as the
 * one before, which has the roughness of a random walk. Returns 0-1; `time` is in periods.
 */
function wander(seed: number, time: number): number {
  let sum = 0;
  let height = 0.5;
  let total = 0;
  let at = time;
  for (let octave = 0; octave < 6; octave++) {
    const anchor = Math.floor(at);
    const from = draw(seed + octave, anchor);
    sum += height * (from + (draw(seed + octave, anchor + 1) - from) * (at - anchor));
    total += height;
    height /= 2;
    at *= 2;
  }
  return (sum / total - 0.5) * 1.6 + 0.5; // the mean of six draws huddles in the middle: stretch it over the range
}

/** Uniform in [0, 1), the n-th draw of a seed. */
function draw(seed: number, n: number): number {
  return mix(mix(seed ^ Math.imul(n | 0, 0x9e3779b1)) + Math.floor(n / 4_294_967_296)) / 4_294_967_296;
}

/** Spreads every bit of a 32-bit integer over all of it (the finaliser of MurmurHash3). Returns 0 to 2^32 - 1. */
function mix(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
