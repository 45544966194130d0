import { idText, integer, type Principal, type SeriesAggregate, type SeriesBucket, type Store } from "@busbar/core";
import * as v from "valibot";
import { bucketEdges, checkTimeZone, parseBucket, suitableBucket, type Bucket } from "./bucket-edges.ts";
import { fillBuckets, fills } from "./fill-buckets.ts";
import { needStore } from "./messages.ts";
import { defineOperation, type AnyOperation, type ApiParts } from "./operation.ts";
import { Problem } from "./problem.ts";
import { checkMaySee } from "./rights.ts";
import { exportFormats, exportSeries } from "./series-export.ts";
import { time } from "./shapes.ts";

const hour = 3_600_000;
const names: readonly SeriesAggregate[] = ["mean", "min", "max", "sum", "first", "last", "range", "stddev", "timeMean", "integral", "median"];

const tag = v.pipe(v.string(), v.minLength(1), v.maxLength(256));
const since = v.pipe(v.optional(time), v.description("First moment, ms since the Unix epoch; default an hour before `until`"));
const until = v.pipe(v.optional(time), v.description("Moment after the last, ms since the Unix epoch; default now"));
const quality = (text: string) => v.pipe(v.optional(v.picklist(["good", "uncertain", "bad"])), v.description(`The worst quality that counts: \`good\` only good values, \`uncertain\` these and uncertain ones, \`bad\` all. Default ${text}`));

const seriesQuery = v.strictObject({
  device: idText(),
  tag,
  since,
  until,
  points: v.pipe(v.optional(integer(3, 10_000), 500), v.description("At most so many points; with `aggregate` and no `bucket` about so many buckets at the most")),
  quality: quality("`bad`; with aggregates `uncertain`"),
  aggregate: v.pipe(
    v.optional(v.pipe(v.string(), v.maxLength(500), v.check((text) => text.split(",").every(isAggregate), `must be a list with commas of ${names.join(", ")} and percentiles such as p95`))),
    v.description(`What of each bucket is wanted, a list with commas: ${names.map((name) => `\`${name}\``).join(", ")}, percentiles such as \`p95\`. Default \`mean,min,max\` where there is a \`bucket\`, else points`),
  ),
  bucket: v.pipe(
    v.optional(v.pipe(v.string(), v.check((text) => parseBucket(text) !== undefined, "must be a number and one of ms, s, m, h, d, w, mo, y"))),
    v.description("Width of a bucket: a number and `ms`, `s`, `m`, `h`, `d`, `w` (from Monday), `mo` or `y`. Whole buckets are given, also where `since` or `until` lie within one"),
  ),
  timezone: v.pipe(v.optional(v.pipe(v.string(), v.maxLength(64), v.check(checkTimeZone, "must be a time zone such as Europe/Berlin or +05:30"))), v.description("Where days, weeks, months and years begin at midnight, such as `Europe/Berlin` or `+05:30`. Default UTC")),
  fill: v.pipe(v.optional(v.picklist(fills)), v.description("What stands in buckets without values: `null`, the value of the `previous` bucket, a `linear` course between its neighbours, or `none`: they are left out. Default `null`")),
  limit: v.pipe(v.optional(integer(1, 10_000)), v.description("Buckets per page. Default 1000")),
});

const bucketShape = v.objectWithRest(
  {
    start: v.pipe(time, v.description("Beginning of the bucket, ms since the Unix epoch")),
    count: v.pipe(integer(0, Number.MAX_SAFE_INTEGER), v.description("Values that counted")),
    good: v.pipe(v.nullable(v.number()), v.description("Share of good ones among all readings of the bucket, 0 to 1; null where there are none")),
  },
  v.pipe(v.nullable(v.number()), v.description("Each aggregate, by its name")),
);
const common = { device: v.string(), tag: v.string(), unit: v.optional(v.string()) };
const pointSeries = v.object({ ...common, points: v.array(v.object({ time, value: v.number() })) });
const bucketSeries = v.object({
  ...common,
  bucket: v.pipe(v.string(), v.description("Width of a bucket")),
  buckets: v.array(bucketShape),
  next: v.pipe(v.optional(time), v.description("`since` of the next page; absent on the last one")),
});

/** What tags said over time: `/api/series`. */
export function seriesOperations(parts: ApiParts): AnyOperation[] {
  return [
    defineOperation({
      method: "get",
      path: "/api/series",
      id: "getSeries",
      summary: "The values of one tag over time",
      description: "Thinned to at most `points`, keeping the shape; or, with `aggregate` or `bucket`, aggregates of buckets of time. Needs the right to subscribe to `status/<device>`.",
      query: seriesQuery,
      answers: { 200: { description: "The values, or the buckets", schema: v.union([pointSeries, bucketSeries]) } },
      problems: [403, 413, 503],
      async handle({ principal, query, context }) {
        const store = allowedStore(parts, principal, query.device);
        const range = rangeOf(parts, query);
        const { signal } = context.req.raw;
        if (query.aggregate !== undefined || query.bucket !== undefined) return context.json(await aggregate(store, query, { ...range, signal, now: parts.clock.now() }));
        for (const name of ["timezone", "fill", "limit"] as const) if (query[name] !== undefined) throw new Problem(400, { code: "BAD_FRAME", detail: `query.${name}: of no use without aggregate or bucket` });
        const { device, tag, points, quality } = query;
        const found = await store.series({ device, tag, ...range, points, quality, signal });
        return context.json({ device, tag, ...(found.unit === undefined ? {} : { unit: found.unit }), points: found.points });
      },
    }),
    defineOperation({
      method: "get",
      path: "/api/series/export",
      id: "exportSeries",
      summary: "The readings of a device as they were stored, as CSV or JSON lines",
      description: "A stream of rows `device`, `tag`, `timestamp` (at the source), `received` (by the gateway), `value`, `unit`, `quality`, `code`, one tag after the other, each in order of time. In CSV (RFC 4180) a text that a spreadsheet would take for a formula gets a `'` before it. Needs the right to subscribe to `status/<device>`.",
      query: v.strictObject({
        device: idText(),
        tag: v.pipe(v.optional(tag), v.description("Default: every tag of the device")),
        since,
        until,
        quality: quality("`bad`"),
        format: v.pipe(v.optional(v.picklist(["csv", "jsonl"]), "csv"), v.description("CSV, or one JSON object a line")),
        time: v.pipe(v.optional(v.picklist(["ms", "iso"]), "ms"), v.description("Times as ms since the Unix epoch, or as ISO 8601 in UTC")),
      }),
      answers: { 200: { description: "The readings", contentType: [exportFormats.csv, exportFormats.jsonl] } },
      problems: [403, 503],
      async handle({ principal, query, context }) {
        const store = allowedStore(parts, principal, query.device);
        return await exportSeries({ ...query, ...rangeOf(parts, query) }, { store, signal: context.req.raw.signal, mayGoOn: () => parts.authority.stands(principal) && parts.authority.can(principal, "subscribe", `status/${query.device}`) });
      },
    }),
  ];
}

function isAggregate(name: string): name is SeriesAggregate {
  return names.includes(name as SeriesAggregate) || (/^p\d{1,3}(?:\.\d{1,4})?$/.test(name) && Number(name.slice(1)) <= 100);
}

/** The store, for one who may read what the device reports. @throws {Problem} 403, or 503 when there is none. */
function allowedStore(parts: ApiParts, principal: Principal, device: string): Store {
  checkMaySee(parts, principal, `status/${device}`);
  return needStore(parts);
}

function rangeOf(parts: ApiParts, query: { readonly since?: number | undefined; readonly until?: number | undefined }): { readonly since: number; readonly until: number } {
  const until = query.until ?? parts.clock.now() + 1;
  const since = query.since ?? Math.max(0, until - hour);
  if (since > until) throw new Problem(400, { code: "BAD_FRAME", detail: `query.since: ${since} lies after until, ${until}` });
  return { since, until };
}

async function aggregate(store: Store, query: v.InferOutput<typeof seriesQuery>, options: { readonly since: number; readonly until: number; readonly now: number; readonly signal: AbortSignal }): Promise<v.InferInput<typeof bucketSeries>> {
  const { device, tag, timezone, limit = 1000, fill = "null", quality = "uncertain" } = query;
  const { since, until, now, signal } = options;
  const bucket: Bucket = query.bucket === undefined ? suitableBucket((until - since) / query.points) : parseBucket(query.bucket)!;
  const aggregates = [...new Set((query.aggregate ?? "mean,min,max").split(","))] as SeriesAggregate[];
  const { edges, next } = bucketEdges(bucket, { since, until, timezone, limit });
  const found = edges.length < 2 ? { buckets: [] } : await store.aggregate({ device, tag, edges, aggregates, quality, now, signal });
  const buckets = fillBuckets(found.buckets, fill).map(({ start, count, good, values }: SeriesBucket) => ({ start, count, good, ...(values as Record<string, number | null>) }));
  return { device, tag, ...("unit" in found && found.unit !== undefined ? { unit: found.unit } : {}), bucket: bucket.text, buckets, ...(next === undefined ? {} : { next }) };
}
