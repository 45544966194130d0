import type { AggregateQuery, DeviceRecord, Encryption, ErrorCode, SeriesBucket, SeriesPoint, SeriesQuery } from "@busbar/core";
import type { BlockQuery, PackedPage } from "./block-reader.ts";
import type { Finding } from "./finding.ts";
import type { Bounds, JournalRetentionStep } from "./journal-file.ts";
import type { SealingState, SealingStep } from "./journal-sealing.ts";
import type { JournalRetention } from "./journal-retention.ts";
import type { IngestResult } from "./series-file.ts";
import type { PackedReadings, Sent } from "./series-query.ts";
import type { RollStep, SeriesLimits, SeriesRetentionStep } from "./series-upkeep.ts";

/** What the worker opens. */
export interface WorkerOptions {
  /** The journal's file, absolute. */
  readonly file: string;
  /** The file of series and devices, absolute. */
  readonly seriesFile: string;
  readonly durability: "full" | "normal";
  /** Bytes beyond which the journal takes no more. */
  readonly journalLimit: number;
  /** Bytes beyond which the series take no more. */
  readonly seriesLimit: number;
  readonly maxSeries: number;
  /** Bytes between two checkpoints of the journal; undefined = 8 MiB. */
  readonly checkpointBytes: number | undefined;
  /** Now, ms since the Unix epoch. */
  readonly now: number;
  /** Which fields are encrypted, and the keys; undefined = none are. */
  readonly encryption: Encryption | undefined;
  /** Topics whose payloads are stored as series. */
  readonly readings: readonly string[];
}

/** Entries with encrypted fields, by the id of the key. */
export type SealedCounts = Readonly<Record<string, number>>;

/** Packed messages: the first `length` bytes of `buffer`, which travels and is not copied. FACTS T3: Deno is slow with a Uint8Array. */
export interface PackedBatch {
  readonly buffer: ArrayBuffer;
  readonly length: number;
}

/** Everything the worker does: argument and result of each call. */
export interface WorkerCalls {
  open: { argument: WorkerOptions; result: { readonly epoch: string; readonly bounds: Bounds; readonly findings: readonly Finding[]; readonly sealing: SealingState & { readonly counts: SealedCounts; readonly rekeyedUpTo: number } } };
  append: { argument: PackedBatch; result: { readonly first: number; readonly bounds: Bounds; readonly buffer: ArrayBuffer } };
  read: { argument: BlockQuery; result: PackedPage };
  retained: { argument: null; result: PackedPage };
  cursor: { argument: string; result: number | undefined };
  cursors: { argument: null; result: ReadonlyMap<string, number> };
  moveCursor: { argument: { readonly name: string; readonly offset: number }; result: null };
  dropCursor: { argument: string; result: null };
  retainJournal: { argument: JournalRetention; result: JournalRetentionStep & { readonly ackError: string | undefined } };
  ingest: { argument: PackedBatch; result: IngestResult & { readonly buffer: ArrayBuffer } };
  series: { argument: Sent<SeriesQuery> & { readonly points: number }; result: { points: SeriesPoint[]; unit?: string } };
  aggregate: { argument: Sent<AggregateQuery>; result: { buckets: SeriesBucket[]; unit?: string } };
  readings: { argument: Sent<SeriesQuery> & { readonly limit: number }; result: PackedReadings };
  devices: { argument: { readonly after?: string | undefined; readonly limit: number }; result: DeviceRecord[] };
  device: { argument: string; result: DeviceRecord | undefined };
  /** `argument`: now, ms since the Unix epoch. */
  roll: { argument: number; result: RollStep };
  retainSeries: { argument: SeriesLimits; result: SeriesRetentionStep };
  sealedCounts: { argument: null; result: SealedCounts };
  survey: { argument: number; result: SealingStep };
  rekey: { argument: number; result: SealingStep };
  /** Once all entries are done: the retained values, the series, and the files made anew. `left`: retained values that could not be encrypted anew. */
  finishRekey: { argument: null; result: { readonly left: number } };
  /** Ends the query whose call had this id, if it is still going on. */
  cancel: { argument: number; result: null };
  close: { argument: null; result: null };
}

/** A call on its way to the worker. */
export type WorkerRequest = { readonly [K in keyof WorkerCalls]: { readonly id: number; readonly call: K; readonly argument: WorkerCalls[K]["argument"] } }[keyof WorkerCalls];

/** How it ended; or that the opening gets on. */
export type WorkerReply =
  | { readonly id: 0; readonly progress: true }
  | { readonly id: number; readonly ok: true; readonly result: unknown }
  | { readonly id: number; readonly ok: false; readonly code: ErrorCode; readonly message: string; readonly retryable: boolean; readonly resumeAfter: number | undefined };
