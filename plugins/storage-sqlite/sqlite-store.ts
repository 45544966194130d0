import { BusbarError, type DeviceRecord, type Entry, type MessagePage, type ReadPage, type SeriesPoint, type Store } from "@busbar/core";
import type { ReadingQueue } from "./reading-queue.ts";
import type { SqliteJournal } from "./sqlite-journal.ts";
import type { WorkerClient } from "./worker-client.ts";

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

  async series(query: Parameters<Store["series"]>[0]): Promise<{ points: SeriesPoint[]; unit?: string }> {
    checkPoints(query.points);
    this.#queue.flush();
    return await this.#worker.call("series", query);
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
