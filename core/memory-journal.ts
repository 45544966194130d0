import { randomUUID } from "node:crypto";
import { BusbarError } from "./errors.ts";
import { Message, type Envelope } from "./envelope.ts";
import { clearsRetained, type Entry, type Journal, type MemoryJournalOptions, type ReadPage, type ReadQuery } from "./journal.ts";
import { matchesAny } from "./topic.ts";

/**
 * Makes a journal that lives as long as its process: for tests, and for a gateway whose config names no storage. Full semantics but for
 * durability. Retained values and cursors outlive the entries that `limit` pushes out; what it pushes out is gone even for a cursor.
 *
 * @throws {RangeError} when `limit` is not a whole number from 1 on.
 */
export function createMemoryJournal(options: MemoryJournalOptions = {}): Journal {
  return new MemoryJournal(options.limit ?? 100_000);
}

class MemoryJournal implements Journal {
  readonly epoch = randomUUID();
  readonly #limit: number;
  /** Contiguous offsets: the entry with offset `o` is at `o - first + head`. */
  #entries: Entry[] = [];
  #head = 0;
  #last = 0;
  /** In order of offset: a topic that is set again moves to the end. */
  readonly #retained = new Map<string, Entry>();
  readonly #cursors = new Map<string, number>();

  constructor(limit: number) {
    if (!Number.isInteger(limit) || limit < 1) throw new RangeError(`Cannot make a journal of ${limit} entries: the limit is a whole number from 1 on`);
    this.#limit = limit;
  }

  bounds(): { readonly first: number; readonly last: number } {
    return { first: this.#first(), last: this.#last };
  }

  async append(batch: readonly Envelope[]): Promise<number> {
    if (batch.length < 1 || batch.length > 10_000) throw new RangeError(`Cannot append ${batch.length} messages: a batch has 1 to 10000`);
    const first = this.#last + 1;
    for (const message of batch) {
      if (message instanceof Message) message.detach();
      const entry: Entry = { offset: ++this.#last, message };
      this.#entries.push(entry);
      if (!message.retain) continue;
      this.#retained.delete(message.topic);
      if (!clearsRetained(message.payload)) this.#retained.set(message.topic, entry);
    }
    this.#trim();
    return first;
  }

  async read(query: ReadQuery): Promise<ReadPage> {
    const { after, limit, pattern } = query;
    if (!Number.isInteger(after)) throw new RangeError(`Cannot read after ${after}: an offset is a whole number`);
    if (!Number.isInteger(limit) || limit < 1 || limit > 10_000) throw new RangeError(`Cannot read ${limit} entries: a page has 1 to 10000`);
    const first = this.#first();
    if (after < first - 1) throw new BusbarError("UNKNOWN_OFFSET", `Cannot read after offset ${after}: the oldest that is left is ${first}`, { resumeAfter: first - 1 });
    if (after > this.#last) throw new BusbarError("UNKNOWN_OFFSET", `Cannot read after offset ${after}: the newest is ${this.#last}`);
    const found: Entry[] = [];
    for (let at = this.#head + after - first + 1; at < this.#entries.length; at++) {
      const entry = this.#entries[at]!;
      if (pattern !== undefined && !matchesAny(pattern, entry.message.topic)) continue;
      found.push(entry);
      if (found.length === limit) return { entries: found, until: entry.offset };
    }
    return { entries: found, until: this.#last };
  }

  async retained(): Promise<readonly Entry[]> {
    return [...this.#retained.values()];
  }

  async cursor(name: string): Promise<number | undefined> {
    return this.#cursors.get(name);
  }

  async cursors(): Promise<ReadonlyMap<string, number>> {
    return new Map(this.#cursors);
  }

  async moveCursor(name: string, offset: number): Promise<void> {
    if (!Number.isSafeInteger(offset) || offset < 0) throw new RangeError(`Cannot move cursor "${name}" to ${offset}: an offset is a whole number from 0 on`);
    this.#cursors.set(name, offset);
  }

  async dropCursor(name: string): Promise<void> {
    this.#cursors.delete(name);
  }

  #first(): number {
    return this.#last - (this.#entries.length - this.#head) + 1;
  }

  #trim(): void {
    const over = this.#entries.length - this.#head - this.#limit;
    if (over <= 0) return;
    this.#head += over;
    if (this.#head < this.#limit) return; // moving the rest down only once per `limit` entries costs one copy per entry
    this.#entries = this.#entries.slice(this.#head);
    this.#head = 0;
  }
}
