/** How a grid is laid out, in milliseconds; buckets are counted from the Unix epoch. */
export interface GridOptions {
  readonly bucket: number;
  /** How long a bucket waits, by the time of the source, for samples that are late. */
  readonly lateness: number;
  /** Buckets without a sample that are filled in as missing; after more of them the series begins anew. */
  readonly gap: number;
}

/** What is remembered of a series: plain JSON. */
export interface GridState {
  /** Where the oldest open bucket begins; null before the first sample. */
  start: number | null;
  /** Sum and count of each open bucket, oldest first. */
  open: [sum: number, count: number][];
}

/** Takes what the grids of many series give, in order. `target`: which one it is, as the caller said it. */
export interface GridEvents<T> {
  /** A bucket is over: the mean of its samples, or null where it had none. `end`: ms since the Unix epoch. */
  closed(target: T, value: number | null, end: number): void;
  /** There was nothing for too long: what follows has nothing to do with what was before. */
  broken(target: T): void;
}

/** Whose grid it is, who is told, and the time at the source. */
export interface GridTurn<T> {
  readonly target: T;
  readonly events: GridEvents<T>;
  readonly time: number;
}

/** Puts a sample into its bucket. @returns false when that is over already: the sample is too late and changes nothing. */
export function addToGrid<T>(state: GridState, options: GridOptions, turn: GridTurn<T> & { readonly value: number }): boolean {
  const { bucket, gap } = options;
  const { value, time } = turn;
  const start = Math.floor(time / bucket) * bucket;
  if (state.start !== null && start < state.start) return false;
  advanceGrid(state, options, turn);
  if (state.start !== null && (start - state.start) / bucket - state.open.length > gap) {
    while (state.open.length > 0) closeFirst(state, bucket, turn);
    state.start = null;
    turn.events.broken(turn.target);
  }
  state.start ??= start;
  const place = (start - state.start) / bucket;
  while (state.open.length <= place) state.open.push([0, 0]);
  const open = state.open[place]!;
  open[0] += value;
  open[1]++;
  advanceGrid(state, options, turn);
  return true;
}

/** Closes the buckets that are over at `time`, the time of the source; it never opens one. */
export function advanceGrid<T>(state: GridState, { bucket, lateness }: GridOptions, turn: GridTurn<T>): void {
  while (state.start !== null && state.open.length > 0 && state.start + bucket + lateness <= turn.time) closeFirst(state, bucket, turn);
}

function closeFirst<T>(state: GridState, bucket: number, { target, events }: GridTurn<T>): void {
  const [sum, count] = state.open.shift()!;
  state.start! += bucket;
  events.closed(target, count === 0 ? null : sum / count, state.start!);
}
