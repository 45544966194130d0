import { ClientError } from "./client-error.ts";
import type { Connection } from "./connection.ts";
import type { Outgoing, Receipt } from "./envelope.ts";
import { createEntry, sizeOf, type Entry } from "./outbox-entry.ts";
import type { OutboxOptions } from "./outbox-options.ts";
import { Pace } from "./pace.ts";
import { quiet } from "./quiet.ts";
import { SendQueue } from "./send-queue.ts";

/** Bytes that a connection may not have taken yet. */
const highWater = 1024 * 1024;
const longestRetry = 10_000;
const storePrefix = "message/";

/**
 * Messages on their way out, in the order in which they were published. What is not acknowledged is sent again, in that order and before anything newer: after a connection was lost, and after the
 * gateway has refused one for the moment (OVERLOAD). Then it goes on with one message at a time, and with twice as many after each that is accepted.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #pace = new Pace();
  /** All that is in here, by msgid. */
  readonly #entries = new Map<string, Entry>();
  /** Sent and not acknowledged, in order. */
  readonly #flight = new Map<string, Entry>();
  /** To be sent. */
  readonly #waiting = new SendQueue<Entry>();
  #bytes = 0;
  #count = 0;
  #window: number;
  #connection: Connection | undefined;
  #scheduled = false;
  #cancelTimer: (() => void) | undefined;
  /** The gateway has refused a message for the moment. */
  #holding = false;
  /** Something that nobody acknowledges was sent beside what is in flight. */
  #mixed = false;
  #refusals = 0;
  #progress = 0;
  #idle: (() => void)[] = [];
  #closed: ClientError | undefined;
  #sent = 0;
  #acked = 0;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#window = options.window;
  }

  /** Messages that are neither acknowledged nor given up. */
  get size(): number {
    return this.#entries.size;
  }

  /** Messages handed to connections, those that were sent again included, and messages that the gateway has acknowledged. */
  get traffic(): { readonly sent: number; readonly acknowledged: number } {
    return { sent: this.#sent, acknowledged: this.#acked };
  }

  /** Takes back what an earlier run has left in the store. */
  restore(values: ReadonlyMap<string, unknown>): void {
    const found = Array.from(values).filter(([key]) => key.startsWith(storePrefix)).sort(([one], [other]) => (one < other ? -1 : 1));
    for (const [key, message] of found) this.#enter(message as Outgoing, key, true);
  }

  /** Sends a message when its turn has come; see `Client.publish`. One of the same msgid that is in here already is the same message. */
  add(message: Outgoing): Promise<Receipt> {
    if (this.#closed) return quiet(Promise.reject(this.#closed));
    const known = this.#entries.get(message.msgid);
    if (known) return known.done;
    const { buffer, frameLimit, store, dropped } = this.#options;
    const size = sizeOf(message);
    const refuse = (error: ClientError): Promise<Receipt> => {
      if (error.code === "DROPPED") dropped(message, error);
      return quiet(Promise.reject(error));
    };
    if (message.payload.length * 3 + 1024 > frameLimit && new TextEncoder().encode(message.payload).length + 1024 > frameLimit) return refuse(new ClientError("TOO_LARGE", `Cannot publish: the payload has ${message.payload.length} characters, a frame may have ${frameLimit} bytes`));
    while (this.#entries.size >= buffer.limit || this.#bytes + size > buffer.bytes) {
      const full = `the buffer is full: ${this.#entries.size} messages, ${this.#bytes} bytes`;
      if (buffer.overflow === "reject") return refuse(new ClientError("OVERLOAD", `Cannot publish: ${full}`));
      const oldest = buffer.overflow === "drop-oldest" ? this.#waiting.shift() : undefined;
      if (oldest === undefined) return refuse(new ClientError("DROPPED", `Dropped: ${full}`));
      this.#end(oldest, new ClientError("DROPPED", `Dropped: ${full}`));
    }
    const persistent = store !== undefined && message.qos > 0;
    const entry = this.#enter(message, `${storePrefix}${String(++this.#count).padStart(16, "0")}`, !persistent);
    if (persistent) {
      store.put(entry.key, message, () => {
        entry.stored = true;
        this.#schedule();
      });
    }
    this.#schedule();
    return entry.done;
  }

  /** Authenticated: everything that is not acknowledged is sent, from the oldest on. */
  online(connection: Connection): void {
    this.#connection = connection;
    this.#progress = this.#options.clock.now();
    this.#rewind();
    this.#pump();
  }

  /** The connection is gone. */
  offline(): void {
    this.#connection = undefined;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#holding = false;
  }

  /** The gateway has taken a message. */
  acknowledge(msgid: string, offset: number | undefined): void {
    const entry = this.#entries.get(msgid);
    if (entry === undefined || entry.over) return;
    this.#flight.delete(msgid);
    this.#refusals = 0;
    this.#progress = this.#options.clock.now();
    if (this.#window < this.#options.window) this.#window = Math.min(this.#options.window, this.#window * 2);
    this.#acked++;
    entry.resolve(offset === undefined ? { msgid } : { msgid, offset });
    this.#forget(entry);
    this.#schedule();
  }

  /** The gateway has refused a message: for the moment, or for good. */
  refused(msgid: string, error: ClientError): void {
    const entry = this.#entries.get(msgid);
    if (entry === undefined || entry.over) return;
    this.#progress = this.#options.clock.now();
    if (error.retryable) return this.#hold();
    this.#flight.delete(msgid);
    this.#end(entry, error);
    this.#schedule();
  }

  /** The gateway could not read something, and does not say what: where one message is on its way it is that one; else they are sent again one by one to find it. */
  suspect(error: ClientError): void {
    const [only] = this.#flight.values();
    if (only === undefined) return;
    if (this.#flight.size > 1 || this.#mixed) {
      this.#window = 1;
      this.#rewind();
    } else {
      this.#flight.delete(only.message.msgid);
      this.#end(only, error);
    }
    this.#schedule();
  }

  /** The gateway has ended the connection because too many messages came. */
  slowDown(): void {
    this.#pace.slow(this.#options.clock.now());
  }

  /** Milliseconds for which the gateway has owed an answer; 0 when it owes none. */
  get unanswered(): number {
    return this.#flight.size === 0 || this.#holding ? 0 : this.#options.clock.now() - this.#progress;
  }

  /** Resolves when nothing is left in here. */
  drained(): Promise<void> {
    if (this.#entries.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /** Gives up what is left, with that error. What is in the store stays there. */
  close(error: ClientError): void {
    this.offline();
    this.#closed = error;
    for (const entry of this.#entries.values()) {
      entry.over = true;
      entry.reject(error);
    }
    this.#entries.clear();
    this.#flight.clear();
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  #enter(message: Outgoing, key: string, stored: boolean): Entry {
    const entry = createEntry(message, { key, stored });
    this.#count = Math.max(this.#count, Number(key.slice(storePrefix.length)));
    this.#entries.set(message.msgid, entry);
    this.#waiting.push(entry);
    this.#bytes += entry.size;
    return entry;
  }

  #end(entry: Entry, error: ClientError): void {
    entry.reject(error);
    this.#options.dropped(entry.message, error);
    this.#forget(entry);
  }

  #forget(entry: Entry): void {
    entry.over = true;
    this.#entries.delete(entry.message.msgid);
    this.#bytes -= entry.size;
    if (entry.message.qos > 0) this.#options.store?.put(entry.key, undefined);
    if (this.#entries.size === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** Waits a while, then sends again from the oldest unacknowledged one on. */
  #hold(): void {
    if (this.#holding) return;
    this.#holding = true;
    this.#window = 1;
    const delay = Math.min(longestRetry, 100 * 2 ** Math.min(this.#refusals++, 10));
    this.#later(delay / 2 + (Math.random() * delay) / 2);
  }

  #later(ms: number): void {
    this.#cancelTimer?.();
    this.#cancelTimer = this.#options.clock.after(ms, () => {
      this.#cancelTimer = undefined;
      if (this.#holding) this.#rewind();
      this.#holding = false;
      this.#pump();
    });
  }

  #rewind(): void {
    this.#waiting.putBack(this.#flight.values());
    this.#flight.clear();
    this.#mixed = false;
  }

  /** Sends soon: what is published in the same turn, or while it lingers, goes together. */
  #schedule(): void {
    if (this.#connection === undefined || this.#cancelTimer) return;
    const { count, linger } = this.#options.batch;
    if (linger > 0 && this.#waiting.length < count) return this.#later(linger);
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      if (!this.#cancelTimer) this.#pump();
    });
  }

  #pump(): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    for (;;) {
      if (connection.buffered() > highWater) return this.#later(20);
      const batch = this.#take();
      if (batch.length === 0) return;
      this.#sent += batch.length;
      connection.publish(batch.map(({ message }) => message));
      for (const entry of batch) {
        if (entry.message.qos > 0) continue;
        this.#mixed = true;
        entry.resolve({ msgid: entry.message.msgid });
        this.#forget(entry);
      }
    }
  }

  /** What goes into the next frame. */
  #take(): readonly Entry[] {
    const { batch, frameLimit, clock } = this.#options;
    const count = this.#window === 1 ? 1 : batch.count;
    const room = this.#window - this.#flight.size;
    const taken: Entry[] = [];
    if (room < this.#window / 4) return taken; // a frame for each acknowledgement would cost more than all else
    let bytes = 1024;
    let now = 0;
    for (let entry = this.#waiting.first(); entry !== undefined && taken.length < count; entry = this.#waiting.first()) {
      const { message } = entry;
      if (!entry.stored || (message.qos > 0 && this.#flight.size >= this.#window)) break;
      now ||= clock.now();
      if (message.expires !== undefined && message.expires <= now) {
        this.#end(entry, new ClientError("EXPIRED", "Not sent: it has expired"));
        continue;
      }
      bytes += message.payload.length * 3 + 600;
      if (taken.length > 0 && bytes > frameLimit) break;
      if (this.#pace.take(1, now) === 0) {
        if (taken.length === 0) this.#later(1000 - (now % 1000));
        break;
      }
      if (this.#flight.size === 0) {
        this.#progress = now;
        this.#mixed = false;
      }
      if (message.qos > 0) this.#flight.set(message.msgid, entry);
      this.#waiting.shift();
      taken.push(entry);
    }
    return taken;
  }
}
