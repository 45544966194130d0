import type { Clock } from "../../clock.ts";
import { payloadSize, type Envelope } from "../../envelope.ts";
import type { Entry, Journal } from "../../journal.ts";

/** What a lane is made of. */
export interface LaneOptions {
  /** As the handler is told. */
  readonly name: string;
  /** The name of its durable cursor. */
  readonly cursor: string;
  readonly journal: Journal;
  readonly clock: Clock;
  /** What to ask the journal for. */
  readonly patterns: readonly string[];
  /** Which topics of that are of this lane. */
  readonly wants: (topic: string) => boolean;
  /** Everything up to this offset is done. */
  readonly after: number;
  /** What the journal says about that. Default `after`. */
  readonly stored?: number;
  /** Up to this offset there may be something of this lane. */
  readonly known: number;
  /** The lane ends here. Default: never. */
  readonly end?: number;
  /** Entries and bytes of payload of one batch. */
  readonly batch: number;
  readonly bytes: number;
  /** Milliseconds to wait for a batch to fill. */
  readonly linger: number;
  /** Milliseconds after its arrival from which an entry counts as late. */
  readonly late: number;
}

/** What is handed over in one call. */
export interface Batch {
  readonly entries: readonly Entry[];
  readonly late: boolean;
  readonly attempt: number;
}

/**
 * One lane of a durable reader: a place in the journal and the next batch from there on. Holds one batch at the most, whatever the backlog. It reads when it is
 * told to and never on its own; what is committed while it has nothing left to read it takes without reading it again.
 */
export class Lane {
  readonly #options: LaneOptions;
  /** Everything of the lane up to this offset is done. */
  done: number;
  /** What the journal's cursor says. */
  stored: number;
  #end: number;
  /** Up to this offset everything has been read. */
  #read: number;
  /** Up to this offset there may be something. */
  #known: number;
  #newest = 0;
  #buffer: Entry[] = [];
  #bytes = 0;
  /** Entries of the batch that is out, or has failed. */
  #out = 0;
  #attempt = 0;
  /** What was known when a batch was put together last. */
  #target: number;
  #caughtUp = false;
  /** Whether a page was read since a batch was put together last: what is left of a page is filled up before it goes. */
  #topped = false;
  /** Since when there has been something that no batch holds, ms since the Unix epoch. */
  #since: number | undefined;

  constructor(options: LaneOptions) {
    this.#options = options;
    this.done = options.after;
    this.stored = options.stored ?? options.after;
    this.#read = options.after;
    this.#end = options.end ?? Number.POSITIVE_INFINITY;
    this.#known = this.#target = Math.min(options.known, this.#end);
  }

  get name(): string {
    return this.#options.name;
  }

  get cursor(): string {
    return this.#options.cursor;
  }

  get end(): number {
    return this.#end;
  }

  /** Up to this offset everything has been read. */
  get position(): number {
    return this.#read;
  }

  /** The newest entry of the lane that was committed since the reader began: 0 = none. */
  get newest(): number {
    return this.#newest;
  }

  /** The oldest entry that is not done. */
  get head(): Entry | undefined {
    return this.#buffer[0];
  }

  /** Whether reading would bring it further. */
  get readable(): boolean {
    return this.#read < this.#known && this.#buffer.length < this.#options.batch && this.#bytes < this.#options.bytes;
  }

  /** Whether the last batch took everything that had been known when the one before it went: what is left is new. */
  get caughtUp(): boolean {
    return this.#caughtUp;
  }

  /** Whether nothing is left of what is known. */
  get empty(): boolean {
    return this.#buffer.length === 0 && this.#read >= this.#known;
  }

  /** A message of this lane has been committed: it need not be read where everything before it has been and there is room. Called in order of offset. */
  committed(message: Envelope, offset: number): void {
    const isNext = this.#read >= this.#known && offset > this.#read;
    this.#known = this.#newest = offset;
    this.#since ??= this.#options.clock.now();
    if (isNext && this.#buffer.length < this.#options.batch && this.#bytes < this.#options.bytes) {
      this.#push({ offset, message });
      this.#read = offset;
    }
  }

  /** Nothing up to `offset` is of this lane but what it knows of. */
  pass(offset: number): void {
    if (this.empty && offset > this.#read) this.done = this.#read = Math.min(offset, this.#end);
  }

  /** Reads one page. @throws {BusbarError} as Journal.read. */
  async read(): Promise<void> {
    const { journal, clock, batch, patterns, wants } = this.#options;
    const { entries, until } = await journal.read({ after: this.#read, limit: batch - this.#buffer.length, pattern: patterns });
    for (const entry of entries) {
      if (entry.offset > this.#end) break;
      if (wants(entry.message.topic)) this.#push(entry);
    }
    this.#topped = true;
    if (until > this.#read) this.#read = Math.min(until, this.#end);
    else this.#known = this.#read;
    if (this.#buffer.length > 0) this.#since ??= clock.now();
    else {
      this.done = this.#read;
      if (!this.readable) this.#since = undefined;
    }
  }

  /** What lies up to `offset` cannot be had: goes on after it. */
  skip(offset: number): void {
    this.#read = Math.max(this.#read, Math.min(offset, this.#end));
    if (this.#buffer.length === 0) this.done = this.#read;
  }

  /** Forgets what was read and goes on after `offset`, which may lie before or behind. */
  jump(offset: number): void {
    this.#buffer = [];
    this.#bytes = this.#out = this.#attempt = 0;
    this.done = this.#read = offset;
    this.#since = this.#known > offset ? this.#options.clock.now() : undefined;
  }

  /** Moves the end of a lane that has one. */
  extend(end: number): void {
    this.#known = this.#end = end;
  }

  /** Whether a batch can go: one that failed, a full one, or one that has waited long enough. */
  ready(now: number): boolean {
    const { linger, batch, bytes } = this.#options;
    if (this.#buffer.length === 0) return false;
    if (this.#out > 0 || this.#buffer.length >= batch || this.#bytes >= bytes) return true;
    if (this.readable && !this.#topped) return false;
    return this.#waited(now) >= linger || this.#isLate(this.#buffer[0]!, now) !== this.#isLate(this.#buffer.at(-1)!, now);
  }

  /** When what there is can go, ms since the Unix epoch. */
  get due(): number {
    return this.#buffer.length === 0 || this.#since === undefined ? Number.POSITIVE_INFINITY : this.#since + this.#options.linger;
  }

  /** The batch that goes now: the same one again after it failed, unless a part of it has become late meanwhile. */
  take(now: number): Batch {
    const late = this.#isLate(this.#buffer[0]!, now);
    if (this.#out === 0 || this.#isLate(this.#buffer[this.#out - 1]!, now) !== late) {
      this.#out = this.#fitting(late, now);
      this.#topped = false;
      this.#caughtUp = this.#out === this.#buffer.length && this.#read >= this.#target;
      this.#target = this.#known;
      this.#since = this.#out < this.#buffer.length || this.#read < this.#known ? now : undefined;
    }
    return { entries: this.#buffer.slice(0, this.#out), late, attempt: this.#attempt };
  }

  /** The batch that is out was not taken. */
  failed(): void {
    this.#attempt++;
  }

  /** The batch that is out is done. */
  finish(): void {
    for (const { message } of this.#buffer.slice(0, this.#out)) this.#bytes -= payloadSize(message);
    const last = this.#buffer[this.#out - 1]!.offset;
    this.#buffer.splice(0, this.#out);
    this.#out = this.#attempt = 0;
    this.done = this.#buffer.length > 0 ? last : this.#read;
  }

  #push(entry: Entry): void {
    this.#buffer.push(entry);
    this.#bytes += payloadSize(entry.message);
  }

  #waited(now: number): number {
    const waited = now - (this.#since ?? now);
    return waited < 0 ? Number.POSITIVE_INFINITY : waited; // the clock was set back
  }

  #isLate(entry: Entry, now: number): boolean {
    return now - entry.message.received > this.#options.late;
  }

  #fitting(late: boolean, now: number): number {
    const { batch, bytes } = this.#options;
    const most = Math.min(batch, this.#buffer.length);
    let size = payloadSize(this.#buffer[0]!.message);
    let count = 1;
    for (; count < most; count++) {
      const entry = this.#buffer[count]!;
      size += payloadSize(entry.message);
      if (size > bytes || this.#isLate(entry, now) !== late) break;
    }
    return count;
  }
}
