import type { Receipt, SubscribeOptions, Subscription } from "../bus.ts";
import type { Clock } from "../clock.ts";
import type { Cursors } from "../cursors.ts";
import { createMessage, type Draft, type Envelope, type Message } from "../envelope.ts";
import { BusbarError, errorCode } from "../errors.ts";
import type { Journal } from "../journal.ts";
import type { Log } from "../log.ts";
import type { Counter, Metrics } from "../metrics.ts";
import { checkPattern, gatewayId } from "../topic.ts";
import { DeadLetterBox } from "./dead-letter-box.ts";
import { Dispatcher, type LiveHandler } from "./dispatcher.ts";
import { EarlyMessages } from "./early-messages.ts";
import { createCursors } from "./journal-cursors.ts";
import { JournalWriter, type Done } from "./journal-writer.ts";
import { MessageCompleter } from "./message-completer.ts";
import { MessageLedger } from "./message-ledger.ts";
import type { JournalRefusal } from "./outage.ts";
import { Readers } from "./readers.ts";
import { RetainedValues } from "./retained-values.ts";
import { RetainedWriter } from "./retained-writer.ts";
import { walkJournal } from "./walk-journal.ts";

/** What decides about commands of qos 1 and 2 on their way to the journal: see CommandTracker. */
export interface CommandGate {
  admit(message: Message): boolean;
  release(message: Envelope): void;
}

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
  /** Default: every command is let in. */
  readonly commands?: CommandGate;
  /** Makes what has to be committed together with a batch; undefined = nothing. Default: nothing ever is. */
  readonly companion?: (batch: readonly Message[]) => Message | undefined;
}

/**
 * All of delivery in one place: live dispatch, the durable path through the journal, retained values and durable readers. It checks no rights:
 * the buses that are handed out (`createBus`) do.
 */
export class PostOffice {
  readonly #options: PostOfficeOptions;
  readonly #dispatcher: Dispatcher;
  readonly #retained: RetainedValues;
  readonly #ledger: MessageLedger;
  readonly #retainedRefused: Counter;
  readonly #early: EarlyMessages;
  readonly #completer: MessageCompleter;
  readonly #retainedWriter: RetainedWriter;
  readonly cursors: Cursors;
  readonly deadLetters: DeadLetterBox;
  readonly readers: Readers;
  #journal: Journal | undefined;
  #epoch: string | undefined;
  #writer: JournalWriter | undefined;

  constructor(options: PostOfficeOptions) {
    const { clock, log, metrics } = options;
    this.#options = options;
    this.#dispatcher = new Dispatcher(options);
    this.#retained = new RetainedValues(options.retainedLimit);
    this.deadLetters = new DeadLetterBox({ deliver: (draft) => deliverAsync(this, this.#make(draft)), log, metrics });
    this.readers = new Readers({ clock, log, metrics, letters: this.deadLetters, last: () => this.last });
    this.cursors = createCursors({ journal: () => this.#journal, isUsed: (reader) => this.readers.has(reader) });
    this.#ledger = new MessageLedger(metrics);
    this.#early = new EarlyMessages(this.#ledger);
    this.#completer = new MessageCompleter(clock);
    this.#retainedWriter = new RetainedWriter({ values: this.#retained, ledger: this.#ledger, limit: options.retainedLimit });
    this.#retainedRefused = metrics.counter("busbar_retained_refused_total", "Retained messages that are not kept as values: there are too many topics");
    metrics.gauge("busbar_messages_waiting", "Messages whose fate is open", () => this.#early.size + this.#retainedWriter.size + (this.#writer?.waiting ?? 0));
    metrics.gauge("busbar_subscriptions", "Live subscriptions", () => this.#dispatcher.size);
    metrics.gauge("busbar_journal_queue", "Messages that wait for the journal", () => this.#writer?.depth ?? 0);
    metrics.gauge("busbar_retained", "Retained values", () => this.#retained.size);
  }

  /** Messages flow from here on; what was published earlier follows at once, after `before`, for those who are to hear it too. Fills the views of the journal first. */
  async open(journal: Journal, before: () => void = () => {}): Promise<void> {
    const { clock, log, metrics, highWater, batch, dedupeWindow } = this.#options;
    this.#journal = journal;
    this.#epoch = journal.epoch;
    for (const { message, offset } of await journal.retained()) this.#retained.set(message, offset);
    const writer = new JournalWriter({
      journal, clock, log, metrics, highWater, batch, dedupeWindow,
      ledger: this.#ledger,
      dispatch: (message, offset) => this.#committed(message, offset, true),
      kept: (message, offset) => this.#kept(message, offset),
      probe: (refusal) => this.#probe(refusal),
      recovered: () => this.#retainedWriter.resume(writer),
      companion: this.#options.companion,
    });
    for await (const page of walkJournal(journal, { after: journal.bounds().last - dedupeWindow, limit: 5000 })) {
      for (const { message, offset } of page) if (message.qos > 0) writer.remember(message, offset);
    }
    await this.deadLetters.open(journal);
    this.#writer = writer;
    this.readers.open(journal);
    before();
    this.#early.release();
  }

  /** A journal takes the place of the one that was opened, whose plugin has been restarted. @throws {BusbarError} CONFIG when it is another one: everybody stands at offsets of the former. */
  checkJournal(journal: Journal | undefined): void {
    if (journal === undefined || this.#epoch === undefined || journal.epoch === this.#epoch) return;
    throw new BusbarError("CONFIG", `Cannot go on with another journal, ${journal.epoch} instead of ${this.#epoch}: restart the gateway`, { retryable: false });
  }

  /** Ends the durable readers, which may take `patience` ms over what they are at, and waits until everything that was delivered is in the journal. */
  async close(patience = 5000): Promise<void> {
    const patient = new AbortController();
    await Promise.race([this.readers.close(), this.#options.clock.sleep(patience, patient.signal).catch(() => {})]);
    patient.abort();
    await this.#writer?.close();
    this.#retainedWriter.close();
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

  /** Whether sources of what has to be stored should pause. */
  get full(): boolean {
    return this.#writer?.full ?? false;
  }

  /** Why the journal refuses messages at the moment; undefined when it does not. */
  get refusal(): JournalRefusal | undefined {
    return this.#writer?.refusal;
  }

  /** A message of qos 0, complete and allowed. Returns false when sources should pause. */
  publish(message: Message): boolean {
    this.#ledger.received[message.qos].value++;
    const writer = this.#writer;
    if (writer !== undefined) return this.#publish(message, writer);
    this.#early.hold("publish", () => this.#publish(message, this.#writer!));
    return true;
  }

  #publish(message: Message, writer: JournalWriter): boolean {
    const kept = message.retain && this.#retain(message.detach(), undefined);
    this.#dispatcher.dispatch(message, undefined, kept);
    if (kept) this.#retainedWriter.write(message, writer);
    return !writer.behind;
  }

  /** A message to be stored; `done` is called with its fate. */
  deliver(message: Message, done: Done): void {
    this.#ledger.received[message.qos].value++;
    const writer = this.#writer;
    if (writer !== undefined) return this.#deliver(message, { done, writer });
    try {
      this.#early.hold("deliver", () => this.#deliver(message, { done, writer: this.#writer! }));
    } catch (error) {
      done(error, 0, false);
    }
  }

  #deliver(message: Message, { done, writer }: { readonly done: Done; readonly writer: JournalWriter }): void {
    if (message.retain) this.#retainedWriter.writeFirst(message.topic, writer);
    if (message.type === "command" && this.#options.commands) this.#deliverCommand(message, { done, writer, commands: this.#options.commands });
    else writer.write(message, done, false);
  }

  #deliverCommand(message: Message, { done, writer, commands }: { readonly done: Done; readonly writer: JournalWriter; readonly commands: CommandGate }): void {
    let admitted: boolean;
    try {
      admitted = commands.admit(message);
    } catch (error) {
      this.#ledger.refused(errorCode(error));
      return done(error, 0, false);
    }
    const settled: Done = (error, offset, duplicate) => {
      commands.release(message);
      done(error, offset, duplicate);
    };
    writer.write(message, admitted ? settled : done, false);
  }

  /** A message that is known to be in the journal, at that offset: its sender is told so again. */
  acknowledge(message: Message, { offset, done }: { readonly offset: number; readonly done: Done }): void {
    this.#ledger.received[message.qos].value++;
    this.#ledger.duplicate.value++;
    done(undefined, offset, true);
  }

  /** Counts a message that was not even made, as if it had come. */
  discard(reason: string): void {
    this.#ledger.received[0].value++;
    this.#ledger.dropped(reason);
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

  /**
   * The messages of qos 0 that match, have been dispatched and are still on their way to the journal, as they are retained. Once `arrived` is true each is there, or lost, or waits until the
   * journal takes messages again: `isPutOff`.
   */
  onTheirWay(pattern: string): { readonly messages: readonly Message[]; readonly arrived: () => boolean } {
    const { messages, arrived } = this.#writer?.onTheirWay(pattern) ?? { messages: [], arrived: () => true };
    return { messages: [...messages, ...this.#retainedWriter.putOff(pattern)], arrived };
  }

  /** Whether a retained message is the newest of its topic and not in the journal yet. */
  isPutOff(message: Message): boolean {
    return this.#retained.isPending(message);
  }

  /** Fills in what the sender left out: `from` is who that is. */
  complete(message: Message, from: string): void {
    this.#completer.complete(message, from);
  }

  /** A message of the gateway itself. */
  #make(draft: Draft): Message {
    const message = createMessage(draft);
    this.complete(message, message.from);
    return message;
  }

  #committed(message: Envelope, offset: number, dispatch: boolean): void {
    if (dispatch) this.#dispatcher.dispatch(message, offset, true);
    if (message.retain) this.#retain(message, offset);
    if (message.type === "dead-letter") this.deadLetters.see(message, offset);
    this.readers.notify(message, offset);
  }

  /** A retained message of qos 0 is in the journal. */
  #kept(message: Envelope, offset: number): void {
    this.#committed(this.#retainedWriter.found(message), offset, false);
    this.#retainedWriter.resume(this.#writer!);
  }

  #retain(message: Envelope, offset: number | undefined): boolean {
    const kept = this.#retained.set(message, offset);
    if (!kept) this.#retainedRefused.value++;
    return kept;
  }

  #probe({ since, messages, error }: JournalRefusal): Message {
    return this.#make({ type: "audit", from: gatewayId, payload: { action: "journal-refused", messages, ms: this.#options.clock.now() - since, code: error.code, reason: error.message } });
  }
}

/** `deliver` as a promise. */
export function deliverAsync(office: PostOffice, message: Message): Promise<Receipt> {
  return new Promise((resolve, reject) => {
    office.deliver(message, (error, offset, duplicate) => (error === undefined ? resolve({ offset, duplicate, msgid: message.msgid }) : setImmediate(reject, error))); // or one who tries again at once would never let the journal recover
  });
}

