/**
 * Thins a line to at most `points` of its points and keeps its shape: largest triangle three buckets (S. Steinarsson, Downsampling Time Series for
 * Visual Representation, 2013, §4.2). The first and the last point stay. `times` ascend; both arrays are only read.
 * Returns the places of what is kept, in order: everything when there is no more than `points`, only the last one for `points` = 1.
 *
 * @throws {RangeError} when `points` is not a whole number from 1 on.
 */
export function lttb(times: ArrayLike<number>, values: ArrayLike<number>, points: number): number[] {
  if (!Number.isInteger(points) || points < 1) throw new RangeError(`Cannot thin a line to ${points} points: it is a whole number from 1 on`);
  const count = times.length;
  if (count <= points) return Array.from({ length: count }, (_, at) => at);
  if (points === 1) return [count - 1];
  const kept = [0];
  const width = (count - 2) / (points - 2); // of a bucket: what lies between the first and the last point is divided evenly
  for (let bucket = 0; bucket < points - 2; bucket++) {
    const start = Math.floor(bucket * width) + 1;
    const end = Math.floor((bucket + 1) * width) + 1;
    const nextEnd = Math.min(Math.floor((bucket + 2) * width) + 1, count);
    let sumTime = 0;
    let sumValue = 0;
    for (let at = end; at < nextEnd; at++) {
      sumTime += times[at]! - times[0]!; // relative: a sum of epoch milliseconds would lose its last digits
      sumValue += values[at]!;
    }
    const size = nextEnd - end;
    kept.push(farthest(times, values, { start, end, from: kept.at(-1)!, time: times[0]! + sumTime / size, value: sumValue / size }));
  }
  kept.push(count - 1);
  return kept;
}

interface Bucket {
  readonly start: number;
  readonly end: number;
  /** Place of the point kept of the bucket before. */
  readonly from: number;
  /** The average of the bucket after. */
  readonly time: number;
  readonly value: number;
}

/** The point of the bucket that spans the largest triangle. */
function farthest(times: ArrayLike<number>, values: ArrayLike<number>, bucket: Bucket): number {
  const { start, end, from, time, value } = bucket;
  const fromTime = times[from]!;
  const fromValue = values[from]!;
  let best = start;
  let largest = -1;
  for (let at = start; at < end; at++) {
    const area = Math.abs((fromTime - time) * (values[at]! - fromValue) - (fromTime - times[at]!) * (value - fromValue));
    if (area > largest) {
      largest = area;
      best = at;
    }
  }
  return best;
}
