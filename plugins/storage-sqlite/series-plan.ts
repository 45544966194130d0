import { ceilTo, floorTo, spans, type Span } from "./rollup-table.ts";

/** What a part of a series is read from: rollups of a span, or (0) the points themselves. */
export type Grain = Span | 0;

/** A part of a series, `[from, to)` in ms since the Unix epoch. */
export interface Segment {
  readonly from: number;
  readonly to: number;
  readonly grain: Grain;
}

/** For which spans of a series the rollups are good. */
export interface RollupState {
  /** They are up to here, */
  readonly rolled: number;
  /** but not for the short spans that begin at these times, in order. */
  readonly stale: readonly number[];
}

/**
 * Divides `[from, to)` into segments, in order and without gaps, each read from what is coarsest and not coarser than the grain: whole spans that are rolled up from rollups, what is
 * left at the ends and around stale spans from the next finer grain.
 */
export function planSegments({ from, to, grain }: Segment, state: RollupState): Segment[] {
  if (from >= to) return [];
  if (grain === 0) return [{ from, to, grain }];
  const finer = grain === spans.long ? spans.short : 0;
  const first = Math.min(ceilTo(from, grain), to);
  const end = Math.max(first, Math.min(floorTo(to, grain), floorTo(state.rolled, grain)));
  const segments = planSegments({ from, to: first, grain: finer }, state);
  let at = first;
  for (const start of new Set(state.stale.map((time) => floorTo(time, grain)))) {
    if (start < at || start >= end) continue;
    if (start > at) segments.push({ from: at, to: start, grain });
    segments.push(...planSegments({ from: start, to: start + grain, grain: finer }, state));
    at = start + grain;
  }
  if (at < end) segments.push({ from: at, to: end, grain });
  segments.push(...planSegments({ from: end, to, grain: finer }, state));
  return segments;
}

/** The coarsest grain of which all the times are multiples, up to `most`. */
export function grainOf(times: readonly number[], most: Grain = spans.long): Grain {
  return ([spans.long, spans.short] as const).find((grain) => grain <= most && times.every((time) => time % grain === 0)) ?? 0;
}
