import type { SeriesAggregate, SeriesBucket } from "@busbar/core";

/** What may stand in buckets without values. */
export const fills = ["null", "none", "previous", "linear"] as const;

/**
 * Puts something in the place of the nulls of buckets, which are in order: the value of the bucket `previous` to it, or one on the straight line between its neighbours' (`linear`). What has
 * no such neighbours stays null. `none` leaves out the buckets in which no value counted, `null` changes nothing.
 */
export function fillBuckets(buckets: readonly SeriesBucket[], fill: (typeof fills)[number]): readonly SeriesBucket[] {
  if (fill === "null" || buckets.length === 0) return buckets;
  if (fill === "none") return buckets.filter(({ count }) => count > 0);
  const names = Object.keys(buckets[0]!.values) as SeriesAggregate[];
  const columns = names.map((name) => {
    const column = buckets.map(({ values }) => values[name] ?? null);
    return fill === "previous" ? previous(column) : linear(column, buckets);
  });
  return buckets.map((bucket, at) => ({ ...bucket, values: Object.fromEntries(names.map((name, place) => [name, columns[place]![at]!])) }));
}

function previous(column: readonly (number | null)[]): (number | null)[] {
  let last: number | null = null;
  return column.map((value) => (last = value ?? last));
}

function linear(column: readonly (number | null)[], buckets: readonly SeriesBucket[]): (number | null)[] {
  const filled = [...column];
  let before = -1;
  column.forEach((value, at) => {
    if (value === null) return;
    const from = column[before];
    for (let place = before + 1; place < at && from !== undefined && from !== null; place++) {
      const [left, here, right] = [buckets[before]!.start, buckets[place]!.start, buckets[at]!.start];
      filled[place] = from + ((value - from) * (here - left)) / (right - left);
    }
    before = at;
  });
  return filled;
}
