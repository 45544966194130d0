import type { ConsumeOptions, Receipt, SubscribeOptions, Subscription } from "../bus.ts";
import type { Clock } from "../clock.ts";
import { completeMessage, createMinter, type Envelope, type Message } from "../envelope.ts";
import { BusbarError } from "../errors.ts";
import type { Entry, Journal } from "../journal.ts";
import type { Log } from "../log.ts";
import type { Counter, Metrics } from "../metrics.ts";
import { checkPattern } from "../topic.ts";
import { Consumer } from "./consumer.ts";
import { Dispatcher, droppedCounter, type LiveHandler } from "./dispatcher.ts";
import { JournalWriter, type Done } from "./journal-writer.ts";
import { RetainedValues } from "./retained-values.ts";

/** Limits of the delivery machinery, from the config's `gateway` section. */
export interface PostOfficeOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Messages that may wait for the journal before sources pause. */
  readonly highWater: number;
  /** Messages the journal commits at once at the most. */
  readonly batch: number;
  /** Messages remembered for deduplication. */
  readonly dedupeWindow: number;
  /** Retained topics. */
  readonly retainedLimit: number;
}

/**
 * All of delivery in one place: live dispatch, the durable path through the journal, retained values and durable readers. It checks no rights:
 * the buses that are handed out (`createBus`) do.
 */
export class PostOffice {
  readonly #options: PostOfficeOptions;
  readonly #dispatcher: Dispatcher;
  readonly #retained: RetainedValues;
  readonly #consumers = new Set<Consumer>();
  readonly #received: readonly [Counter, Counter, Counter];
  readonly #refusedRetained: Counter;
  readonly mint = createMinter();
  #journal: Journal | undefined;
  #writer: JournalWriter | undefined;
  #early: (() => void)[] = [];
  /** One object for all messages. `now`: milliseconds since the Unix epoch, 0 = to be read anew. */
  readonly #defaults = { from: "", now: 0, mint: this.mint };

  constructor(options: PostOfficeOptions) {
    this.#options = options;
    this.#dispatcher = new Dispatcher(options);
    this.#retained = new RetainedValues(options.retainedLimit);
    const received = (qos: string): Counter => options.metrics.counter("busbar_received_total", "Messages that entered the bus, by qos", { qos });
    this.#received = [received("0"), received("1"), received("2")];
    this.#refusedRetained = droppedCounter(options.metrics, "retained-limit");
    options.metrics.gauge("busbar_subscriptions", "Live subscriptions", () => this.#dispatcher.size);
    options.metrics.gauge("busbar_journal_queue", "Messages that wait for the journal", () => this.#writer?.depth ?? 0);
    options.metrics.gauge("busbar_retained", "Retained values", () => this.#retained.size);
  }

  /** Messages flow from here on; what was published earlier follows at once. Fills the views of the journal first. */
  async open(journal: Journal): Promise<void> {
    const { log, metrics, highWater, batch, dedupeWindow } = this.#options;
    this.#journal = journal;
    for (const { message, offset } of await journal.retained()) this.#retained.set(message, offset);
    const writer = new JournalWriter({
      journal, log, metrics, highWater, batch, dedupeWindow,
      dispatch: (message, offset) => this.#committed(message, offset, true),
      kept: (message, offset) => this.#committed(message, offset, false),
    });
    const { first, last } = journal.bounds();
    for (let after = Math.max(first - 1, last - dedupeWindow, 0); after < last; ) {
      const page = await journal.read({ after, limit: 5000 });
      for (const { message, offset } of page.entries) if (message.qos > 0) writer.remember(message, offset);
      after = page.until;
    }
    this.#writer = writer;
    for (const run of this.#early.splice(0)) run();
  }

  /** Waits until everything that was delivered is in the journal, and ends the durable readers. */
  async close(): Promise<void> {
    for (const consumer of this.#consumers) consumer.close();
    await Promise.all([...this.#consumers].map((consumer) => consumer.ended));
    await this.#writer?.idle();
  }

  /** The journal, once the bus is open. */
  get journal(): Journal | undefined {
    return this.#journal;
  }

  /** The newest offset that live subscribers have seen. */
  get last(): number {
    return this.#writer?.last ?? 0;
  }

  /** How many messages have been dispatched: names the one that is being dispatched. */
  get dispatches(): number {
    return this.#dispatcher.count;
  }

  /** Whether sources should pause. */
  get full(): boolean {
    return this.#writer?.full ?? false;
  }

  /** Whether the journal refuses messages at the moment. */
  get failing(): boolean {
    return this.#writer?.failing ?? false;
  }

  /** A message of qos 0, complete and allowed. Returns false when sources should pause. */
  publish(message: Message): boolean {
    const writer = this.#writer;
    if (writer === undefined) {
      if (this.#early.length >= 10_000) throw new BusbarError("OVERLOAD", "Cannot publish: the bus is not open yet and 10,000 messages wait");
      this.#early.push(() => this.publish(message));
      return true;
    }
    this.#received[message.qos].value++;
    this.#dispatcher.dispatch(message, undefined);
    if (message.retain) {
      if (!this.#retained.set(message.detach(), undefined)) this.#refusedRetained.value++;
      else writer.write(message, (error) => error !== undefined && this.#notKept(message), true);
    }
    return !writer.full;
  }

  #notKept(message: Message): void {
    this.#retained.lost(message);
    droppedCounter(this.#options.metrics, "journal").value++;
  }

  /** A message to be stored; `done` is called with its fate. */
  deliver(message: Message, done: Done): void {
    const writer = this.#writer;
    if (writer === undefined) {
      if (this.#early.length >= 10_000) return done(new BusbarError("OVERLOAD", "Cannot deliver: the bus is not open yet and 10,000 messages wait"), 0, false);
      this.#early.push(() => this.deliver(message, done));
      return;
    }
    this.#received[message.qos].value++;
    writer.write(message, done, false);
  }

  ready(signal: AbortSignal): Promise<void> {
    return this.#writer?.ready(signal) ?? Promise.resolve();
  }

  subscribe(pattern: string, handler: LiveHandler, options: SubscribeOptions & { readonly log?: Log } = {}): Subscription {
    checkPattern(pattern);
    const subscription = this.#dispatcher.subscribe(pattern, handler, options);
    if (options.retained) this.retained(pattern, (message, offset) => subscription.take(message, offset));
    return subscription;
  }

  /** Calls `each` for the retained value of every matching topic. */
  retained(pattern: string, each: (message: Envelope, offset: number | undefined) => void): void {
    this.#retained.forEach(pattern, (value) => each(value.message, value.offset));
  }

  consume(name: string, pattern: string, handler: (batch: readonly Entry[]) => Promise<void>, options: ConsumeOptions & { readonly log?: Log } = {}): Subscription {
    checkPattern(pattern);
    const start = (journal: Journal): Consumer => {
      const consumer = new Consumer(name, pattern, handler, { journal, clock: this.#options.clock, log: options.log ?? this.#options.log, last: () => this.last, ...options });
      this.#consumers.add(consumer);
      void consumer.ended.finally(() => this.#consumers.delete(consumer));
      return consumer;
    };
    let consumer: Consumer | undefined;
    let open = true;
    if (this.#writer) consumer = start(this.#journal!);
    else this.#early.push(() => open && (consumer = start(this.#journal!)));
    return {
      pattern,
      close() {
        open = false;
        consumer?.close();
      },
    };
  }

  /** Fills in what the sender left out. The clock is read once per turn of the event loop: reading it costs as much as routing a message. */
  complete(message: Message, from: string): void {
    const defaults = this.#defaults;
    if (defaults.now === 0) {
      defaults.now = this.#options.clock.now();
      setImmediate(this.#forgetTime);
    }
    defaults.from = from;
    completeMessage(message, defaults);
  }

  readonly #forgetTime = (): void => void (this.#defaults.now = 0);

  #committed(message: Message, offset: number, dispatch: boolean): void {
    if (dispatch) this.#dispatcher.dispatch(message, offset);
    if (message.retain && !this.#retained.set(message, offset)) this.#refusedRetained.value++;
    for (const consumer of this.#consumers) consumer.notify();
  }
}

/** `deliver` as a promise. */
export function deliverAsync(office: PostOffice, message: Message): Promise<Receipt> {
  return new Promise((resolve, reject) => {
    office.deliver(message, (error, offset, duplicate) => (error === undefined ? resolve({ offset, duplicate, msgid: message.msgid }) : reject(error)));
  });
}

