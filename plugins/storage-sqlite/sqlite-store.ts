import { BusbarError, type AggregateQuery, type DeviceRecord, type Entry, type MessagePage, type ReadingPage, type ReadPage, type SeriesBucket, type SeriesPoint, type Store } from "@busbar/core";
import type { ReadingQueue } from "./reading-queue.ts";
import type { SqliteJournal } from "./sqlite-journal.ts";
import { unpackReadings } from "./unpack-readings.ts";
import type { WorkerClient } from "./worker-client.ts";

const aggregates: ReadonlySet<string> = new Set(["mean", "min", "max", "sum", "first", "last", "range", "stddev", "timeMean", "integral", "median"]);

/** Whether it is one of those that the Store port names. */
function isAggregate(name: string): boolean {
  return aggregates.has(name) || (/^p\d{1,3}(?:\.\d{1,4})?$/.test(name) && Number(name.slice(1)) <= 100);
}

/** The Store port on the worker. Each query first sends the readings that wait, so it sees what was published before it. */
export class SqliteStore implements Store {
  readonly #worker: WorkerClient;
  readonly #journal: SqliteJournal;
  readonly #queue: ReadingQueue;

  constructor(worker: WorkerClient, journal: SqliteJournal, queue: ReadingQueue) {
    this.#worker = worker;
    this.#journal = journal;
    this.#queue = queue;
  }

  async messages(query: Parameters<Store["messages"]>[0]): Promise<MessagePage> {
    const { topic, since, until, limit, cursor } = query;
    checkLimit(limit);
    if (cursor !== undefined && (!/^\d{1,15}$/.test(cursor) || Number(cursor) > this.#journal.bounds().last)) throw new RangeError(`Cannot go on after cursor ${JSON.stringify(cursor.slice(0, 80))}: it is none of this journal`);
    const found: Entry[] = [];
    let after = cursor === undefined ? 0 : Number(cursor);
    for (;;) {
      after = Math.max(after, this.#journal.bounds().first - 1); // history begins at what retention left
      const page = await this.#page({ after, limit: limit - found.length, pattern: topic, since, until });
      found.push(...page.entries);
      after = page.until;
      if (after >= this.#journal.bounds().last) return { entries: found };
      if (found.length === limit) return { entries: found, next: String(after) };
    }
  }

  /** History is what is left: what is damaged was reported, and is passed over. */
  async #page(query: Parameters<SqliteJournal["readWithin"]>[0]): Promise<ReadPage> {
    try {
      return await this.#journal.readWithin(query);
    } catch (error) {
      if (error instanceof BusbarError && error.code === "DAMAGED" && error.resumeAfter !== undefined) return { entries: [], until: error.resumeAfter };
      throw error;
    }
  }

  async series({ signal, ...query }: Parameters<Store["series"]>[0]): Promise<{ points: SeriesPoint[]; unit?: string }> {
    checkPoints(query.points);
    this.#queue.flush();
    return signal ? await this.#worker.callUntil("series", query, signal) : await this.#worker.call("series", query);
  }

  async aggregate({ signal, ...query }: AggregateQuery): Promise<{ buckets: SeriesBucket[]; unit?: string }> {
    checkEdges(query.edges);
    for (const aggregate of query.aggregates) if (!isAggregate(aggregate)) throw new RangeError(`Cannot aggregate by ${JSON.stringify(aggregate)}: there is no such aggregate`);
    this.#queue.flush();
    return signal ? await this.#worker.callUntil("aggregate", query, signal) : await this.#worker.call("aggregate", query);
  }

  async readings({ signal, ...query }: Parameters<Store["readings"]>[0]): Promise<ReadingPage> {
    checkLimit(query.limit);
    this.#queue.flush();
    return unpackReadings(signal ? await this.#worker.callUntil("readings", query, signal) : await this.#worker.call("readings", query));
  }

  async devices(query: Parameters<Store["devices"]>[0]): Promise<DeviceRecord[]> {
    checkLimit(query.limit);
    this.#queue.flush();
    return await this.#worker.call("devices", query);
  }

  async device(id: string): Promise<DeviceRecord | undefined> {
    this.#queue.flush();
    return await this.#worker.call("device", id);
  }
}

function checkLimit(limit: number): void {
  if (!Number.isInteger(limit) || limit < 1 || limit > 10_000) throw new RangeError(`Cannot read ${limit} entries: a page has 1 to 10000`);
}

function checkPoints(points: number): void {
  if (!Number.isInteger(points) || points < 1 || points > 100_000) throw new RangeError(`Cannot thin a series to ${points} points: it is 1 to 100000`);
}

function checkEdges(edges: readonly number[]): void {
  const count = edges.length - 1;
  if (count < 1 || count > 10_000) throw new RangeError(`Cannot aggregate in ${count} buckets: it is 1 to 10000`);
  if (edges.some((edge, at) => !Number.isSafeInteger(edge) || edge < 0 || (at > 0 && edge <= edges[at - 1]!))) throw new RangeError("Cannot aggregate: the edges of the buckets are not ascending times");
}
