import { byteSize, duration } from "@busbar/core";
import * as v from "valibot";

const path = (fallback: string, description: string) => v.pipe(v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(4096)), fallback), v.description(description));
const field = <S extends v.GenericSchema>(schema: S, fallback: v.InferInput<S>, description: string) => v.pipe(v.optional(schema, fallback as never), v.description(description));
const day = 86_400_000;

/** The config of audit-file. */
export const configSchema = v.strictObject({
  folder: path("data/audit", "The folder of the log, which is its alone: files audit-<number of the first entry>.jsonl. Made when it is missing, mode 0700. Default data/audit."),
  keyFile: field(v.union([v.literal(false), v.pipe(v.string(), v.minLength(1), v.maxLength(4096))]), "data/audit.key", "The key of the chain: who can write the log but not read this file cannot forge an entry. Made when it is missing, mode 0600. One key a line, the first is in use, the others are former ones. false: plain SHA-256, which anybody who can write the log can make anew. Default data/audit.key."),
  headFile: path("data/audit.head", "Where the log ended last, outside of the folder: lets verify see that the end was cut off. Default data/audit.head."),
  fileSize: field(byteSize(4096, 1024 ** 3), "8MiB", "A file that has grown to this is followed by the next. Default 8MiB, 4KiB to 1GiB."),
  fileAge: field(duration(60_000, 366 * day), "30d", "A file that is this old is followed by the next. Default 30d, 1m to 366d."),
  keep: field(duration(60_000, 100 * 366 * day), "366d", "How long entries are kept at least as long as there is room; whole files go. Default 366d, 1m to 100 years."),
  maxSize: field(byteSize(16 * 1024, 1024 ** 4), "1GiB", "All files together; beyond it the oldest go. Default 1GiB, 16KiB to 1TiB."),
  syncInterval: field(duration(10, 60_000), "200ms", "How long an entry may take to the disk. Default 200ms, 10ms to 1m."),
  checkpointInterval: field(duration(1000, day), "1m", "How often the newest number and hash are said on the bus, as audit-head, for whoever carries them off this machine. Default 1m, 1s to 1d."),
});

/** The config with all defaults filled in: sizes in bytes, durations in milliseconds. */
export type AuditFileConfig = v.InferOutput<typeof configSchema>;
