/** What is known of the values of a span of time: enough to tell it of a longer span from those of its parts. Times are ms since the Unix epoch. */
export interface Tally {
  /** Values. While it is 0 everything but `empty` means nothing. */
  count: number;
  /** Readings without a value. */
  empty: number;
  sum: number;
  /** The sum of the squares of the differences from the mean. */
  m2: number;
  min: number;
  minAt: number;
  max: number;
  maxAt: number;
  first: number;
  firstAt: number;
  last: number;
  lastAt: number;
  /** From the first value to the last the sum of each value times the ms until the next one. */
  area: number;
}

/** A tally of nothing. */
export function emptyTally(): Tally {
  return { count: 0, empty: 0, sum: 0, m2: 0, min: 0, minAt: 0, max: 0, maxAt: 0, first: 0, firstAt: 0, last: 0, lastAt: 0, area: 0 };
}

/** Adds a value that is later than all of the tally. */
export function addValue(tally: Tally, time: number, value: number): void {
  if (tally.count === 0) {
    tally.count = 1;
    tally.sum = tally.min = tally.max = tally.first = tally.last = value;
    tally.minAt = tally.maxAt = tally.firstAt = tally.lastAt = time;
    return;
  }
  // B. P. Welford, Note on a Method for Calculating Corrected Sums of Squares and Products, 1962: a sum of squares would lose a small spread of large values
  const difference = value - tally.sum / tally.count;
  tally.m2 += difference * difference * (tally.count / (tally.count + 1));
  tally.area += tally.last * (time - tally.lastAt);
  tally.count++;
  tally.sum += value;
  if (value < tally.min) [tally.min, tally.minAt] = [value, time];
  if (value > tally.max) [tally.max, tally.maxAt] = [value, time];
  tally.last = value;
  tally.lastAt = time;
}

/** Adds the tally of a later span, which stays as it is. */
export function addTally(tally: Tally, later: Readonly<Tally>): void {
  const empty = tally.empty + later.empty;
  if (later.count > 0 && tally.count === 0) {
    Object.assign(tally, later);
  } else if (later.count > 0) {
    // T. F. Chan, G. H. Golub, R. J. LeVeque, Updating Formulae and a Pairwise Algorithm for Computing Sample Variances, 1979, (2.1b)
    const difference = later.sum / later.count - tally.sum / tally.count;
    tally.m2 += later.m2 + difference * difference * ((tally.count * later.count) / (tally.count + later.count));
    tally.area += tally.last * (later.firstAt - tally.lastAt) + later.area;
    tally.count += later.count;
    tally.sum += later.sum;
    if (later.min < tally.min) [tally.min, tally.minAt] = [later.min, later.minAt];
    if (later.max > tally.max) [tally.max, tally.maxAt] = [later.max, later.maxAt];
    tally.last = later.last;
    tally.lastAt = later.lastAt;
  }
  tally.empty = empty;
}
