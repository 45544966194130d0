import { BusbarError, type Counter, type Entry, type Envelope, type Journal, type ReadPage, type ReadQuery } from "@busbar/core";
import { Pack, unpackEntries } from "./entry-codec.ts";
import type { Finding } from "./finding.ts";
import type { Bounds } from "./journal-file.ts";
import { topicExpression, typesOf } from "./topic-expression.ts";
import type { WorkerClient } from "./worker-client.ts";

/** What the journal counts. */
export interface JournalCounters {
  /** Messages appended. */
  readonly appended: Counter;
  /** Batches committed, and the seconds from call to acknowledgement of all of them. */
  readonly commits: Counter;
  readonly commitSeconds: Counter;
}

/** The Journal port on the worker: packs what is appended, unpacks what is read. */
export class SqliteJournal implements Journal {
  readonly epoch: string;
  readonly #worker: WorkerClient;
  readonly #counters: JournalCounters | undefined;
  readonly #onFinding: ((finding: Finding) => void) | undefined;
  /** Ends of the ranges that readers have met and that are reported. */
  readonly #damaged = new Set<number>();
  #bounds: Bounds;
  /** The buffer of the last batch, to be filled again. */
  #spare: ArrayBuffer | undefined;

  constructor(worker: WorkerClient, opened: { readonly epoch: string; readonly bounds: Bounds }, options: { readonly counters?: JournalCounters | undefined; readonly onFinding?: ((finding: Finding) => void) | undefined } = {}) {
    this.#worker = worker;
    this.#counters = options.counters;
    this.#onFinding = options.onFinding;
    this.epoch = opened.epoch;
    this.#bounds = opened.bounds;
  }

  bounds(): Bounds {
    return this.#bounds;
  }

  /** Takes over what retention left. */
  setBounds(bounds: Bounds): void {
    // an append may have been acknowledged since the step of retention was: each of the two only ever grows
    this.#bounds = { first: Math.max(this.#bounds.first, bounds.first), last: Math.max(this.#bounds.last, bounds.last) };
  }

  async append(batch: readonly Envelope[]): Promise<number> {
    if (batch.length < 1 || batch.length > 10_000) throw new RangeError(`Cannot append ${batch.length} messages: a batch has 1 to 10000`);
    const start = performance.now();
    const pack = new Pack(this.#spare);
    this.#spare = undefined;
    for (const message of batch) pack.add(message);
    const { first, bounds, buffer } = await this.#worker.call("append", { buffer: pack.buffer, length: pack.length }, pack.buffer);
    if (buffer.byteLength <= 4 * 1024 * 1024) this.#spare = buffer;
    this.setBounds(bounds);
    if (this.#counters) {
      this.#counters.appended.value += batch.length;
      this.#counters.commits.value++;
      this.#counters.commitSeconds.value += (performance.now() - start) / 1000;
    }
    return first;
  }

  async read(query: ReadQuery): Promise<ReadPage> {
    return await this.readWithin(query);
  }

  /** As `read`, and only messages whose source time lies in `[since, until)`, ms since the Unix epoch. */
  async readWithin(query: ReadQuery & { readonly since?: number | undefined; readonly until?: number | undefined }): Promise<ReadPage> {
    const { after, limit, pattern, since, until } = query;
    if (!Number.isInteger(after)) throw new RangeError(`Cannot read after ${after}: an offset is a whole number`);
    if (!Number.isInteger(limit) || limit < 1 || limit > 10_000) throw new RangeError(`Cannot read ${limit} entries: a page has 1 to 10000`);
    try {
      const page = await this.#worker.call("read", { after, limit, topics: pattern === undefined ? undefined : topicExpression(pattern), types: pattern === undefined ? undefined : typesOf(pattern), since, until });
      return { entries: unpackEntries(page.buffer), until: page.until };
    } catch (error) {
      if (error instanceof BusbarError && error.code === "DAMAGED") this.#report(after, error);
      throw error;
    }
  }

  /** Each damaged range is reported by the first reader that meets it. */
  #report(after: number, { resumeAfter = after, message }: BusbarError): void {
    if (this.#damaged.has(resumeAfter)) return;
    if (this.#damaged.size >= 10_000) this.#damaged.clear();
    this.#damaged.add(resumeAfter);
    this.#onFinding?.({ reason: "damaged-block", kind: "journal", lost: resumeAfter - after, message });
  }

  async retained(): Promise<readonly Entry[]> {
    const { buffer, broken = [] } = await this.#worker.call("retained", null);
    for (const offset of broken) this.#report(offset - 1, new BusbarError("DAMAGED", `Cannot read the retained message of offset ${offset}: its encrypted fields are not as they were written`, { resumeAfter: offset }));
    return unpackEntries(buffer);
  }

  async cursor(name: string): Promise<number | undefined> {
    return await this.#worker.call("cursor", name);
  }

  async cursors(): Promise<ReadonlyMap<string, number>> {
    return await this.#worker.call("cursors", null);
  }

  async moveCursor(name: string, offset: number): Promise<void> {
    if (!Number.isSafeInteger(offset) || offset < 0) throw new RangeError(`Cannot move cursor "${name}" to ${offset}: an offset is a whole number from 0 on`);
    await this.#worker.call("moveCursor", { name, offset });
  }

  async dropCursor(name: string): Promise<void> {
    await this.#worker.call("dropCursor", name);
  }
}
