import { byteSize, duration, encryptionField, integer, topicPattern } from "@busbar/core";
import * as v from "valibot";

const day = 86_400_000;
const mebibyte = 1024 ** 2;
const tebibyte = 1024 ** 4;

const journal = v.pipe(
  v.strictObject({
    maxAge: v.pipe(v.optional(duration(1000), "30d"), v.description("Messages that arrived longer ago are removed, 1s-3650d, once every durable reader has passed them")),
    size: v.pipe(v.optional(byteSize(mebibyte, tebibyte), "4GiB"), v.description("Beyond this size the oldest messages are removed, 1MiB-1TiB, once every durable reader has passed them")),
    maxSize: v.pipe(v.optional(byteSize(mebibyte, tebibyte), "8GiB"), v.description("Beyond this size the oldest messages are removed whoever still needs them, 1MiB-1TiB; an eighth above it appends are refused with OVERLOAD")),
  }),
  v.check((value) => value.maxSize >= value.size, "maxSize must not be smaller than size"),
);

const series = v.pipe(
  v.strictObject({
    maxAge: v.pipe(v.optional(duration(1000), "30d"), v.description("Values with an older source time are removed, 1s-3650d; what they were in each 5 minutes is kept for longer")),
    rollupAge: v.pipe(v.optional(duration(1000)), v.description("Rollups (count, sum, extremes and the like of each 5 minutes and hour) that are older are removed, maxAge-3650d; default 1825d, or maxAge if that is longer")),
    size: v.pipe(v.optional(byteSize(mebibyte, tebibyte), "4GiB"), v.description("Beyond this size the oldest values are removed, 1MiB-1TiB; an eighth above it readings are dropped")),
    maxSeries: v.pipe(v.optional(integer(1, 10_000_000), 100_000), v.description("Pairs of device and tag, 1-10000000; readings of further ones are dropped")),
  }),
  v.check(({ maxAge, rollupAge }) => rollupAge === undefined || rollupAge >= maxAge, "rollupAge must not be smaller than maxAge"),
  v.transform(({ rollupAge, ...rest }) => ({ ...rest, rollupAge: rollupAge ?? Math.max(rest.maxAge, 1825 * day) })),
);

/** The config of the plugin: every field has a default. */
export const config = v.strictObject({
  file: v.pipe(v.optional(v.pipe(v.string(), v.minLength(1)), "data/busbar.db"), v.description("The journal's file; the series lie beside it in <name>-series.db. Folder and files are made, mode 0600")),
  durability: v.pipe(v.optional(v.picklist(["full", "normal"]), "full"), v.description("full: an acknowledged message is on disk; normal: it survives the process, a power cut may take the last seconds")),
  readings: v.pipe(v.optional(v.pipe(v.array(topicPattern()), v.maxLength(100)), ["status/#"]), v.description("Topic patterns whose payloads are stored as series, at most 100")),
  flushInterval: v.pipe(v.optional(duration(1, 60_000), "250ms"), v.description("How long readings gather before they are written, 1ms-60s; a query writes them at once")),
  queue: v.pipe(v.optional(integer(1000, 10_000_000), 50_000), v.description("Messages with readings that may wait for the database, 1000-10000000; more are dropped and counted")),
  journal: v.pipe(v.optional(journal, {}), v.description("How long the journal keeps messages")),
  series: v.pipe(v.optional(series, {}), v.description("How long the series keep values")),
  encryption: encryptionField(),
  retentionInterval: v.pipe(v.optional(duration(100, day), "10s"), v.description("How often is looked for what can be removed, 100ms-1d")),
});
