/**
 * The value below which a share of the values lies, interpolated between the two nearest (R. J. Hyndman, Y. Fan, Sample Quantiles in Statistical Packages, 1996, definition 7).
 * `sorted` ascends and has at least one value; `share` is 0 to 1.
 */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  const place = (sorted.length - 1) * share;
  const below = sorted[Math.floor(place)]!;
  const above = sorted[Math.ceil(place)]!;
  return below + (above - below) * (place - Math.floor(place));
}
