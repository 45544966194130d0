import * as v from "valibot";
import { byteSize, duration } from "../../schema.ts";

const fields = v.strictObject({
  memory: v.pipe(v.optional(byteSize(32 * 1024 ** 2, 64 * 1024 ** 3), "256MiB"), v.description("Memory that it may use; beyond that it is stopped and started anew. Default 256MiB, 32MiB to 64GiB.")),
  stall: v.pipe(v.optional(duration(1000, 600_000), "5s"), v.description("How long it may say nothing, as it computes without a pause, before it is stopped and started anew. Default 5s, 1s to 10m.")),
});

/** What a section of a config says about its isolate: `isolate: true`, or with limits of its own. */
export const isolateSchema = v.union([v.boolean(), fields], "must be true, false or {memory, stall}");

/** The limits of an isolate: bytes and milliseconds. */
export type IsolateSettings = v.InferOutput<typeof fields>;

/** The limits that a section asks for; undefined where it is to run in the gateway itself. */
export function isolateSettings(value: v.InferOutput<typeof isolateSchema> | undefined): IsolateSettings | undefined {
  return value === true ? v.parse(fields, {}) : value === false ? undefined : value;
}
