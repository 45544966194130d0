import type { Message } from "../envelope.ts";
import { BusbarError, errorCode } from "../errors.ts";
import type { Counter } from "../metrics.ts";
import { matches } from "../topic.ts";
import { DedupeWindow, dedupeKey } from "./dedupe-window.ts";
import type { JournalWriterOptions } from "./journal-writer-options.ts";
import { Outage, type JournalRefusal } from "./outage.ts";

/** Called when the fate of a message is known: stored at `offset` (perhaps by an earlier one of the same msgid), or not stored at all. */
export type Done = (error: unknown, offset: number, duplicate: boolean) => void;

interface Sender {
  readonly done: Done;
  /** Subscribers saw the message already: it is only to be kept. */
  readonly live: boolean;
}

interface Waiting extends Sender {
  readonly message: Message;
  readonly key: string | undefined;
  /** Who sent it again while it waited. */
  readonly others: Sender[];
}

/**
 * The one writer of the journal: group commit (while one transaction runs, the next one gathers), deduplication, and the brake on the sources while the journal is behind.
 * Once the journal refuses, everything is refused without asking it, so that no later message of a source overtakes an earlier one, until a message of our own has been committed.
 */
export class JournalWriter {
  readonly #options: JournalWriterOptions;
  readonly #seen: DedupeWindow;
  readonly #pending = new Map<string, Waiting>();
  readonly #outage: Outage;
  readonly #refused: Counter;
  #queue: Waiting[] = [];
  /** What is being committed; how many wait for the fate of one like them; how many were ever taken. */
  #underWay: readonly Waiting[] = [];
  #others = 0;
  #taken = 0;
  #writing = false;
  #scheduled = false;
  #closed = false;
  #last: number;
  #idle: (() => void)[] = [];
  #room: (() => void)[] = [];

  constructor(options: JournalWriterOptions) {
    this.#options = options;
    this.#seen = new DedupeWindow(options.dedupeWindow);
    this.#last = options.journal.bounds().last;
    this.#refused = options.metrics.counter("busbar_journal_refused_total", "Messages that the journal did not take");
    options.metrics.gauge("busbar_journal_refusing", "1 while the journal refuses messages", () => (this.refusal === undefined ? 0 : 1));
    this.#outage = new Outage({ clock: options.clock, log: options.log, tryAgain: (refusal) => this.#tryAgain(refusal), tried: (recovered) => this.#tried(recovered) });
  }

  /** The newest offset whose message has been handed to the live subscribers. */
  get last(): number {
    return this.#last;
  }

  /** Messages that wait to be committed. */
  get depth(): number {
    return this.#queue.length;
  }

  /** Messages whose fate is open. */
  get waiting(): number {
    return this.#queue.length + this.#underWay.length + this.#others;
  }

  /** Why the journal takes nothing at the moment; undefined when it does. */
  get refusal(): JournalRefusal | undefined {
    return this.#outage.refusal;
  }

  /** Whether so many wait that sources should pause. */
  get behind(): boolean {
    return this.#queue.length >= this.#options.highWater;
  }

  /** Whether sources of what has to be stored should pause. */
  get full(): boolean {
    return this.behind || this.refusal !== undefined;
  }

  /** The messages of matching topics that wait and that subscribers saw already; whatever waits now is committed or refused once `arrived` is true. */
  onTheirWay(pattern: string): { readonly messages: readonly Message[]; readonly arrived: () => boolean } {
    const taken = this.#taken;
    const messages = [...this.#underWay, ...this.#queue].filter(({ live, message }) => live && matches(pattern, message.topic)).map(({ message }) => message);
    return { messages, arrived: () => this.#taken - this.#queue.length - this.#underWay.length >= taken };
  }

  /** Fills the window of known messages from the journal, oldest first. */
  remember(message: { readonly from: string; readonly msgid: string }, offset: number): void {
    this.#seen.add(dedupeKey(message), offset);
  }

  /** Stores a message once; see Done. `live`: subscribers saw it already, it is only to be kept. */
  write(message: Message, done: Done, live: boolean): void {
    const key = message.qos === 0 ? undefined : dedupeKey(message);
    if (key !== undefined) {
      const known = this.#seen.find(key);
      if (known !== undefined) {
        this.#options.ledger.duplicate.value++;
        return done(undefined, known, true);
      }
      const pending = this.#pending.get(key);
      if (pending) {
        pending.others.push({ done, live });
        this.#others++;
        return;
      }
    }
    const waiting: Waiting = { message: message.detach(), key, done, live, others: [] };
    const reason = this.#closed ? closed() : this.refusal ? refusing(this.refusal.error) : this.#queue.length >= this.#options.highWater * 4 ? overfull(this.#queue.length) : undefined;
    if (reason !== undefined) return this.#refuse(waiting, reason);
    if (key !== undefined) this.#pending.set(key, waiting);
    this.#queue.push(waiting);
    this.#taken++;
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

  /** Writes what waits and takes nothing more. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#outage.close();
    await this.idle();
  }

  readonly #flush = (): void => {
    this.#scheduled = false;
    if (this.#writing || this.#queue.length === 0) return;
    this.#writing = true;
    const limit = Math.min(this.#options.batch, 9_999); // with its companion no more than a journal takes at once
    const batch = this.#queue.length <= limit ? this.#queue : this.#queue.slice(0, limit);
    this.#queue = batch === this.#queue ? [] : this.#queue.slice(limit);
    const messages = batch.map((one) => one.message);
    const companion = this.#options.companion?.(messages);
    if (companion !== undefined) {
      messages.push(companion);
      batch.push({ message: companion, key: undefined, done: () => {}, live: false, others: [] });
      this.#options.ledger.received[companion.qos].value++;
      this.#taken++;
    }
    this.#underWay = batch;
    this.#append(messages).then(
      (first) => this.#committed(batch, first),
      (error: unknown) => this.#failed(batch, error),
    );
  };

  /** A journal whose plugin is being restarted throws at once: that is a refusal like any other. */
  async #append(batch: readonly Message[]): Promise<number> {
    return this.#options.journal.append(batch);
  }

  #committed(batch: readonly Waiting[], first: number): void {
    const { ledger, kept, dispatch } = this.#options;
    this.#underWay = [];
    ledger.stored.value += batch.length;
    for (let at = 0; at < batch.length; at++) {
      const one = batch[at]!;
      const offset = first + at;
      if (one.key !== undefined) {
        this.#pending.delete(one.key);
        this.#seen.add(one.key, offset);
      }
      this.#last = offset;
      if (one.live) kept(one.message, offset);
      else dispatch(one.message, offset);
      this.#tell(one.done, undefined, offset, false);
      this.#others -= one.others.length;
      ledger.duplicate.value += one.others.length;
      for (const other of one.others) this.#tell(other.done, undefined, offset, true);
    }
    this.#next();
  }

  /** What the medium will not take it will not take from the next one either; any other error is one of this batch alone. */
  #failed(batch: readonly Waiting[], error: unknown): void {
    this.#underWay = [];
    const medium = error instanceof BusbarError;
    if (medium) this.#outage.begin(error);
    else this.#options.log.error("journal cannot take a batch", { count: batch.length, error });
    for (const one of batch) this.#refuse(one, error);
    if (medium) for (const one of this.#queue.splice(0)) this.#refuse(one, refusing(error));
    this.#next();
  }

  #refuse(one: Waiting, error: unknown): void {
    if (one.key !== undefined && this.#pending.get(one.key) === one) this.#pending.delete(one.key);
    this.#refused.value += 1 + one.others.length;
    this.#others -= one.others.length;
    this.#outage.count(1 + one.others.length);
    const code = errorCode(error);
    for (const { live, done } of [one, ...one.others]) {
      if (!live) this.#options.ledger.refused(code); // else nobody is told: what becomes of it is up to whoever gave it here
      this.#tell(done, error, 0, false);
    }
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

  /** Tries whether the journal takes messages again. */
  async #tryAgain(refusal: JournalRefusal): Promise<void> {
    const { ledger, dispatch, probe } = this.#options;
    this.#writing = true;
    await this.#takeOver();
    const message = probe(refusal);
    const offset = await this.#append([message]);
    ledger.received[message.qos].value++;
    ledger.stored.value++;
    this.#last = offset;
    dispatch(message, offset);
  }

  /**
   * A batch may have been committed although its answer got lost, with the thread of the database for one. What the journal holds is stored, whatever its senders were told: it is handed
   * over now, and known when they send it again.
   */
  async #takeOver(): Promise<void> {
    const { journal, kept, dispatch, log } = this.#options;
    const { first, last } = journal.bounds();
    for (let after = Math.max(this.#last, first - 1); after < last; ) {
      const { entries, until } = await journal.read({ after, limit: 1000 });
      for (const { message, offset } of entries) {
        if (message.qos > 0) this.remember(message, offset);
        this.#last = offset;
        if (message.qos === 0 && message.retain) kept(message, offset);
        else dispatch(message, offset);
      }
      after = until;
      log.info("journal holds messages whose commit it had not answered", { count: entries.length, until });
    }
  }

  #tried(recovered: boolean): void {
    if (recovered) this.#options.recovered();
    this.#next();
  }
}

const refusing = (cause: BusbarError): BusbarError => new BusbarError("OVERLOAD", "Cannot store a message: the journal refuses messages at the moment", { cause });
const overfull = (count: number): BusbarError => new BusbarError("OVERLOAD", `Cannot store a message: ${count} are waiting for the journal`);
const closed = (): BusbarError => new BusbarError("CLOSED", "Cannot store a message: the journal is closed");
