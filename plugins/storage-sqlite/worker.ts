import { parentPort } from "node:worker_threads";
import { matchesAny } from "@busbar/core";
import { entryFrom, entryTopic } from "./entry-layout.ts";
import { EntrySeal } from "./entry-seal.ts";
import type { JournalFile } from "./journal-file.ts";
import { openJournal } from "./open-journal.ts";
import { isDamaged } from "./open-or-salvage.ts";
import { SeriesFile } from "./series-file.ts";
import { toStorageError } from "./sqlite-error.ts";
import { StorageFault } from "./storage-fault.ts";
import { sensitiveTags } from "./series-mask.ts";
import type { DeviceQuery } from "./device-query.ts";
import { SeriesQuery } from "./series-query.ts";
import { cancelled } from "./series-reader.ts";
import { Turns } from "./turns.ts";
import type { WorkerCalls, WorkerOptions, WorkerReply, WorkerRequest } from "./worker-protocol.ts";

/*
 * The thread that owns both files. Calls are served in order of arrival; only queries of series give way between two slices.
 */
const port = parentPort!;
let journal: JournalFile;
let series: SeriesFile;
let encrypts: Pick<WorkerOptions, "encryption" | "readings">;
let query: { readonly on: SeriesFile["database"]; readonly series: SeriesQuery; devices?: DeviceQuery } | undefined;
const turns = new Turns();
/** Queries that go on, by the ids of their calls, and whether they are to end. */
const running = new Map<number, { cancelled: boolean }>();
/** Queries of series that may go on at once; more are refused. */
const maxRunning = 64;

const calls: { readonly [K in keyof WorkerCalls]: (argument: WorkerCalls[K]["argument"], id: number) => WorkerCalls[K]["result"] | Promise<WorkerCalls[K]["result"]> } = {
  async open(options) {
    const { now, durability, checkpointBytes } = options;
    const onProgress = (): void => port.postMessage({ id: 0, progress: true } satisfies WorkerReply);
    encrypts = options;
    const seal = new EntrySeal(options.encryption);
    const opened = await openJournal(options.file, { durability, cacheKiB: 4096, maxBytes: options.journalLimit, checkpointBytes, now, onProgress, seal });
    journal = opened.journal;
    try {
      const sealing = { ...journal.sealing.begin(journal.bounds.last), counts: journal.sealing.counts(), rekeyedUpTo: journal.sealing.rekeyedUpTo() };
      const mask = { sensitive: seal.sensitive, readings: options.readings };
      const other = await SeriesFile.open(options.seriesFile, { durability: "normal", cacheKiB: 16_384, maxBytes: options.seriesLimit, maxSeries: options.maxSeries, mask, now, onProgress });
      series = other.series;
      return { epoch: journal.epoch, bounds: journal.bounds, findings: [...opened.findings, ...other.findings], sealing };
    } catch (error) {
      journal.close();
      throw error;
    }
  },
  append: ({ buffer, length }) => ({ first: journal.append(Buffer.from(buffer, 0, length)), bounds: journal.bounds, buffer }),
  read: (argument) => journal.read(argument),
  retained: () => journal.retained(),
  cursor: (name) => journal.cursor(name),
  cursors: () => journal.cursors,
  moveCursor: ({ name, offset }) => (journal.moveCursor(name, offset), null),
  dropCursor: (name) => (journal.dropCursor(name), null),
  retainJournal: (limits) => ({ ...journal.retain(limits), ackError: journal.ackError }),
  ingest: ({ buffer, length }) => ({ ...series.ingest(Buffer.from(buffer, 0, length)), buffer }),
  series: (request, id) => inSlices(id, (pause) => queries().series.series(request, pause)),
  aggregate: (request, id) => inSlices(id, (pause) => queries().series.aggregate(request, pause)),
  readings: (request) => queries().series.readings(request),
  devices: async (request) => (await deviceQuery()).devices(request),
  device: async (id) => (await deviceQuery()).device(id),
  roll: (now) => series.roll(now),
  retainSeries: (limits) => series.retain(limits),
  sealedCounts: () => journal.sealing.counts(),
  survey: (after) => journal.sealing.survey(after),
  rekey: (after) => rekey(after),
  finishRekey() {
    const left = journal.sealing.rekeyRetained();
    series.forgetSensitive([...new Set((encrypts.encryption?.sensitive ?? []).flatMap(({ topics }) => topics).map((topic) => topic.split("/", 1)[0]!).map((type) => (/^[+#]$/.test(type) ? "status" : type)))]);
    series.purge();
    journal.purge();
    journal.sealing.finishRekey();
    return { left };
  },
  cancel(id) {
    const query = running.get(id);
    if (query) query.cancelled = true;
    return null;
  },
  close: () => (journal.close(), series.close(), null),
};

/** The series of what is encrypted now are removed first: after a crash in between they would not be known any more. */
function rekey(after: number): WorkerCalls["rekey"]["result"] {
  const known = new Set<string>();
  const step = journal.sealing.rekey(after, (entry, { before, places }) => {
    if (!matchesAny(encrypts.readings, entryTopic(entry, 0))) return;
    const device = entryFrom(entry, 0);
    for (const tag of sensitiveTags(before, places)) {
      const key = `${device}\u0000${tag}`;
      if (!known.has(key)) series.forget(device, tag);
      known.add(key);
    }
  });
  journal.wrote(step.bytes);
  return step;
}

/** The queries over the connection that is open now. */
function queries(): NonNullable<typeof query> {
  if (query?.on !== series.database) query = { on: series.database, series: new SeriesQuery(series.database, series.statuses) };
  return query;
}

/** Kysely takes a tenth of a second to load: only once somebody asks. */
async function deviceQuery(): Promise<DeviceQuery> {
  const { DeviceQuery } = await import("./device-query.ts");
  const open = queries();
  return (open.devices ??= new DeviceQuery(open.on));
}

/** Does something that may take long in slices, until it is cancelled. */
async function inSlices<T>(id: number, work: (pause: () => Promise<void>) => Promise<T>): Promise<T> {
  if (running.size >= maxRunning) throw new StorageFault("OVERLOAD", `Cannot answer the query: ${maxRunning} others are being answered`);
  const state = { cancelled: false };
  running.set(id, state);
  try {
    return await work(async () => {
      await turns.next();
      if (state.cancelled) throw cancelled();
    });
  } finally {
    running.delete(id);
  }
}

/** Which calls are about the file of series. */
const seriesCalls: ReadonlySet<string> = new Set<keyof WorkerCalls>(["ingest", "series", "aggregate", "readings", "devices", "device", "roll", "retainSeries"]);

port.on("message", (request: WorkerRequest) => {
  const serve = calls[request.call] as (argument: unknown, id: number) => unknown;
  try {
    const result = serve(request.argument, request.id);
    if (result instanceof Promise) result.then((value: unknown) => answer(request, value), (error: unknown) => refuse(request, error));
    else answer(request, result);
  } catch (error) {
    refuse(request, error);
  }
  if (request.call === "append") afterwards(() => journal.checkpointIfDue());
  else if (request.call === "rekey") afterwards(() => journal.checkpointIfDue());
  else if (request.call === "ingest" || request.call === "roll") afterwards(() => series.checkpointIfDue());
});

/** A checkpoint that fails has closed its connection: the next call opens another, and says so when it cannot. */
function afterwards(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof StorageFault)) throw error;
  }
}

function answer(request: WorkerRequest, result: unknown): void {
  const buffer = typeof result === "object" && result !== null && "buffer" in result && result.buffer instanceof ArrayBuffer ? [result.buffer] : [];
  port.postMessage({ id: request.id, ok: true, result } satisfies WorkerReply, buffer);
}

function refuse(request: WorkerRequest, thrown: unknown): void {
  const error = toStorageError(thrown, request.call);
  if (isDamaged(error)) {
    if (request.call !== "open") (seriesCalls.has(request.call) ? series : journal).requestSalvage();
    throw error; // nothing can be relied on any more: the plugin starts anew, and salvages
  }
  if (!(error instanceof StorageFault)) throw error; // a fault of ours: the thread ends and the plugin starts anew
  port.postMessage({ id: request.id, ok: false, code: error.code, message: causes(error), retryable: error.retryable, resumeAfter: error.resumeAfter } satisfies WorkerReply);
}

/** The message of an error and of each cause below it. */
function causes(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${causes(error.cause)}`;
}
