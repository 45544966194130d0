import { mkdirSync, realpathSync } from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import { BusbarError, type Encryption } from "@busbar/core";
import type { Finding } from "./finding.ts";
import { Rekeying } from "./rekeying.ts";
import type { JournalRetention } from "./journal-retention.ts";
import { ReadingQueue, type ReadingQueueOptions } from "./reading-queue.ts";
import { SqliteJournal, type JournalCounters } from "./sqlite-journal.ts";
import type { RollStep, SeriesLimits } from "./series-upkeep.ts";
import { SqliteStore } from "./sqlite-store.ts";
import { WorkerClient } from "./worker-client.ts";

/** How a storage is opened. */
export interface StorageOptions {
  /** The journal's file, absolute. The series lie beside it: `busbar.db`, `busbar-series.db`. */
  readonly file: string;
  /** Whether an append is on disk when it resolves ("full") or only safe from a crash of the process ("normal"). Default "full". */
  readonly durability?: "full" | "normal";
  /** Bytes beyond which appends are refused with OVERLOAD. Default 8 GiB. */
  readonly journalLimit?: number;
  /** Bytes beyond which readings are dropped. Default 8 GiB. */
  readonly seriesLimit?: number;
  /** Device and tag pairs; more are dropped. Default 100,000. */
  readonly maxSeries?: number;
  /** Bytes appended to the journal between two checkpoints. Default 8 MiB. */
  readonly checkpointBytes?: number;
  /** Which fields are encrypted, and the keys. Default: none are. */
  readonly encryption?: Encryption | undefined;
  /** Topics whose payloads are stored as series, in which sensitive fields must not be. Default "status/#". */
  readonly readings?: readonly string[] | undefined;
  readonly queue?: Partial<ReadingQueueOptions>;
  readonly counters?: JournalCounters;
  /** Called at the opening for everything that was found wrong with the files, and later for entries that are found not to be as they were written. */
  readonly onFinding?: (finding: Finding) => void;
  /** Called now and then while a damaged file is salvaged: that takes some seconds for each GiB. */
  readonly onProgress?: () => void;
  /** Tells the time for the names of what is set aside, ms since the Unix epoch. Default: the system's. */
  readonly now?: () => number;
  /** Called when the database's thread ends by itself; the storage is then of no use any more. */
  readonly onCrash?: (error: BusbarError) => void;
}

/** An open storage. */
export interface Storage {
  readonly journal: SqliteJournal;
  readonly store: SqliteStore;
  /** Takes readings and signs of life on their way into the series. */
  readonly queue: ReadingQueue;
  /** The encryption of fields, and old entries. */
  readonly rekeying: Rekeying;
  /** One step of retention of both files. */
  retain(limits: { readonly journal: JournalRetention; readonly series: SeriesLimits }): Promise<RetentionReport>;
  /** One step of rolling up the series. `now`: ms since the Unix epoch. */
  roll(now: number): Promise<RollStep>;
  /** Ends the thread as it is, in the midst of whatever it does: what is not acknowledged then may be there or not. */
  terminate(): Promise<void>;
  /** Stores what waits and closes both files. Closing twice does nothing. */
  close(): Promise<void>;
}

/** What one step of retention did, and how large the files are. */
export interface RetentionReport {
  readonly journalRemoved: number;
  /** Of these, entries that a cursor had not passed. */
  readonly journalForced: number;
  /** How many of these each reader lost, by its name. */
  readonly journalReaders: Readonly<Record<string, number>>;
  readonly journalBytes: number;
  readonly seriesRemoved: number;
  readonly seriesBytes: number;
  /** Why the file that says what is acknowledged cannot be written, once it could not. */
  readonly ackError: string | undefined;
  /** Whether there is more to remove now. */
  readonly more: boolean;
}

/** Files open in this process: reading the header of one would release its lock (POSIX locks belong to a process, not to a descriptor). */
const openHere = new Set<string>();

const gibibyte = 1024 ** 3;

/**
 * Opens or makes a storage on a thread of its own.
 * @throws {BusbarError} IO, not retryable, for a file that is no database, of a newer schema or not ours: it stays as it is. UNAVAILABLE when somebody else has it open.
 */
export async function openStorage(options: StorageOptions): Promise<Storage> {
  const file = realFile(options.file);
  if (openHere.has(file)) throw new BusbarError("UNAVAILABLE", `Cannot open "${options.file}": this process has it open`);
  openHere.add(file);
  const worker = new WorkerClient((error) => {
    openHere.delete(file);
    options.onCrash?.(error);
  }, options.onProgress);
  try {
    const opened = await worker.call("open", {
      file,
      seriesFile: join(dirname(file), `${basename(file, extname(file))}-series${extname(file)}`),
      durability: options.durability ?? "full",
      journalLimit: options.journalLimit ?? 8 * gibibyte,
      seriesLimit: options.seriesLimit ?? 8 * gibibyte,
      maxSeries: options.maxSeries ?? 100_000,
      checkpointBytes: options.checkpointBytes,
      now: (options.now ?? Date.now)(),
      encryption: options.encryption,
      readings: options.readings ?? ["status/#"],
    });
    for (const finding of opened.findings) options.onFinding?.(finding);
    const journal = new SqliteJournal(worker, opened, { counters: options.counters, onFinding: options.onFinding });
    const ignore = (): void => {};
    const queue = new ReadingQueue(worker, { batch: 1000, limit: 50_000, onStored: ignore, onDropped: ignore, onWritten: ignore, onLost: ignore, onError: ignore, ...options.queue });
    return {
      journal,
      store: new SqliteStore(worker, journal, queue),
      queue,
      rekeying: new Rekeying(worker, opened.sealing),
      async retain(limits) {
        const step = await worker.call("retainJournal", limits.journal);
        journal.setBounds(step.bounds);
        const series = await worker.call("retainSeries", limits.series);
        return { journalRemoved: step.removed, journalForced: step.forced, journalReaders: step.readers, journalBytes: step.bytes, ackError: step.ackError, seriesRemoved: series.removed, seriesBytes: series.bytes, more: step.more || series.more };
      },
      roll: (now) => worker.call("roll", now),
      async terminate() {
        await worker.terminate();
        openHere.delete(file);
      },
      async close() {
        queue.flush();
        await worker.close();
        openHere.delete(file);
      },
    };
  } catch (error) {
    await worker.terminate();
    openHere.delete(file);
    throw error;
  }
}

/** The file's one name, whatever links lead to its folder. */
function realFile(file: string): string {
  try {
    mkdirSync(dirname(file), { recursive: true });
    return join(realpathSync(dirname(file)), basename(file));
  } catch (error) {
    throw new BusbarError("IO", `Cannot make the folder of "${file}": ${(error as Error).message}`, { cause: error, retryable: false });
  }
}
