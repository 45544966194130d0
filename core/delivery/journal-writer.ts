import type { Message } from "../envelope.ts";
import { BusbarError } from "../errors.ts";
import type { Journal } from "../journal.ts";
import type { Log } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import { DedupeWindow, dedupeKey } from "./dedupe-window.ts";

/** Called when the fate of a message is known: stored at `offset` (perhaps by an earlier one of the same msgid), or not stored at all. */
export type Done = (error: unknown, offset: number, duplicate: boolean) => void;

interface Waiting {
  readonly message: Message;
  readonly key: string | undefined;
  readonly done: Done | undefined;
  /** Subscribers saw it already: it is only to be kept. */
  readonly live: boolean;
  readonly others: Done[];
}

/** How the writer works. */
export interface JournalWriterOptions {
  readonly journal: Journal;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Messages that may wait before sources are asked to pause. */
  readonly highWater: number;
  /** Messages committed at once at the most. */
  readonly batch: number;
  /** Messages remembered for deduplication. */
  readonly dedupeWindow: number;
  /** Hands a committed message to its live subscribers. */
  readonly dispatch: (message: Message, offset: number) => void;
  /** Is told of each message that only had to be kept. */
  readonly kept: (message: Message, offset: number) => void;
}

/**
 * The one writer of the journal: group commit (while one transaction runs, the next one gathers), deduplication, and the brake
 * on the sources while the journal is behind.
 */
export class JournalWriter {
  readonly #options: JournalWriterOptions;
  readonly #seen: DedupeWindow;
  readonly #pending = new Map<string, Waiting>();
  #queue: Waiting[] = [];
  #writing = false;
  #scheduled = false;
  #failing = false;
  #last: number;
  #idle: (() => void)[] = [];
  #room: (() => void)[] = [];

  constructor(options: JournalWriterOptions) {
    this.#options = options;
    this.#seen = new DedupeWindow(options.dedupeWindow);
    this.#last = options.journal.bounds().last;
  }

  /** The newest offset whose message has been handed to the live subscribers. */
  get last(): number {
    return this.#last;
  }

  /** Messages that wait. */
  get depth(): number {
    return this.#queue.length;
  }

  /** Whether the last append failed. */
  get failing(): boolean {
    return this.#failing;
  }

  /** Whether sources should pause. */
  get full(): boolean {
    return this.#queue.length >= this.#options.highWater;
  }

  /** Fills the window of known messages from the journal, oldest first. */
  remember(message: { readonly from: string; readonly msgid: string }, offset: number): void {
    this.#seen.add(dedupeKey(message), offset);
  }

  /** Stores a message once; see Done. */
  write(message: Message, done: Done | undefined, live: boolean): void {
    const key = message.qos === 0 ? undefined : dedupeKey(message);
    if (key !== undefined) {
      const known = this.#seen.find(key);
      if (known !== undefined) return done?.(undefined, known, true);
      const pending = this.#pending.get(key);
      if (pending) {
        if (done) pending.others.push(done);
        return;
      }
    }
    if (this.#queue.length >= this.#options.highWater * 4) {
      done?.(new BusbarError("OVERLOAD", `Cannot store a message: ${this.#queue.length} are waiting for the journal`), 0, false);
      return;
    }
    const waiting: Waiting = { message: message.detach(), key, done, live, others: [] };
    if (key !== undefined) this.#pending.set(key, waiting);
    this.#queue.push(waiting);
    if (!this.#scheduled && !this.#writing) {
      this.#scheduled = true;
      setImmediate(this.#flush);
    }
  }

  /** Resolves when there is room again. */
  ready(signal: AbortSignal): Promise<void> {
    if (!this.full) return Promise.resolve();
    if (signal.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const abort = (): void => reject(signal.reason);
      signal.addEventListener("abort", abort, { once: true });
      this.#room.push(() => {
        signal.removeEventListener("abort", abort);
        resolve();
      });
    });
  }

  /** Resolves when everything that waits has been written or refused. */
  idle(): Promise<void> {
    if (!this.#writing && this.#queue.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  readonly #flush = (): void => {
    this.#scheduled = false;
    if (this.#writing || this.#queue.length === 0) return;
    this.#writing = true;
    const limit = this.#options.batch;
    const batch = this.#queue.length <= limit ? this.#queue : this.#queue.slice(0, limit);
    this.#queue = batch === this.#queue ? [] : this.#queue.slice(limit);
    this.#append(batch).then(
      (first) => this.#committed(batch, first),
      (error: unknown) => this.#refused(batch, error),
    );
  };

  /** A journal whose plugin is being restarted throws at once: that is a refusal like any other. */
  async #append(batch: readonly Waiting[]): Promise<number> {
    return this.#options.journal.append(batch.map((one) => one.message));
  }

  #committed(batch: readonly Waiting[], first: number): void {
    if (this.#failing) this.#options.log.info("journal takes messages again");
    this.#failing = false;
    for (let at = 0; at < batch.length; at++) {
      const one = batch[at]!;
      const offset = first + at;
      if (one.key !== undefined) {
        this.#pending.delete(one.key);
        this.#seen.add(one.key, offset);
      }
      this.#last = offset;
      if (one.live) this.#options.kept(one.message, offset);
      else this.#options.dispatch(one.message, offset);
      if (one.done !== undefined) this.#tell(one.done, undefined, offset, false);
      for (const other of one.others) this.#tell(other, undefined, offset, true);
    }
    this.#next();
  }

  #refused(batch: readonly Waiting[], error: unknown): void {
    this.#failing = true;
    this.#options.log.error("journal refused messages", { count: batch.length, error });
    for (const one of batch) {
      if (one.key !== undefined) this.#pending.delete(one.key);
      if (one.done !== undefined) this.#tell(one.done, error, 0, false);
      for (const other of one.others) this.#tell(other, error, 0, false);
    }
    this.#next();
  }

  /** One who fails at the news must not keep the others from it, nor the next batch from being written. */
  #tell(done: Done, error: unknown, offset: number, duplicate: boolean): void {
    try {
      done(error, offset, duplicate);
    } catch (cause) {
      this.#options.log.error("sender of a message failed when told its fate", { error: cause });
    }
  }

  #next(): void {
    this.#writing = false;
    if (!this.full && this.#room.length > 0) for (const resolve of this.#room.splice(0)) resolve();
    if (this.#queue.length > 0) this.#flush();
    else for (const resolve of this.#idle.splice(0)) resolve();
  }
}
