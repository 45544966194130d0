/** @typedef {{ readonly time: number, readonly value: number }} Point time: ms since the Unix epoch */

/**
 * History and what came live, as one series in order of time: where both know a time it appears once.
 *
 * @param {readonly Point[]} history
 * @param {readonly Point[]} live
 * @returns {[number[], number[]]} times and values, as uPlot takes them
 */
export function mergePoints(history, live) {
  const byTime = new Map(history.map(({ time, value }) => [time, value]));
  for (const { time, value } of live) byTime.set(time, value);
  const times = [...byTime.keys()].sort((one, other) => one - other);
  return [times, times.map((time) => /** @type {number} */ (byTime.get(time)))];
}

/**
 * Adds a live point to a merged series: at the end as a rule, in its place when it comes late, over the one of the same time.
 *
 * @param {[number[], number[]]} series
 * @param {Point} point
 */
export function addPoint([times, values], { time, value }) {
  let at = times.length;
  while (at > 0 && /** @type {number} */ (times[at - 1]) >= time) at--;
  const known = times[at] === time ? 1 : 0;
  times.splice(at, known, time);
  values.splice(at, known, value);
}

/**
 * Removes what is older than `since`, but for the last point before it, from which the line comes in.
 *
 * @param {[number[], number[]]} series
 * @param {number} since
 */
export function dropBefore([times, values], since) {
  let count = 0;
  while (count + 1 < times.length && /** @type {number} */ (times[count + 1]) < since) count++;
  if (count === 0) return;
  times.splice(0, count);
  values.splice(0, count);
}

/** The last points of a tag: what the store may not have written yet when its history is asked for. */
export class Recent {
  /** @type {Point[]} */
  #points = [];
  /** @type {number} */
  #limit;

  /** @param {number} [limit] */
  constructor(limit = 128) {
    this.#limit = limit;
  }

  /** @param {Point} point */
  add(point) {
    this.#points.push(point);
    if (this.#points.length >= 2 * this.#limit) this.#points = this.#points.slice(-this.#limit);
  }

  /** @returns {readonly Point[]} */
  list() {
    return this.#points;
  }
}
