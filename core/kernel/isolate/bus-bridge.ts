import type { Bus, ConsumeOptions, Reader, SubscribeOptions, Subscription } from "../../bus.ts";
import { createMessage, type Envelope, type Message } from "../../envelope.ts";
import { BusbarError } from "../../errors.ts";
import { covers, gatewayTypes, isReservedId, speaksFor } from "../../topic.ts";
import { packEnvelope, unpackEnvelope } from "./border-envelope.ts";
import { packError, unpackError } from "./border-error.ts";
import type { Link } from "./link.ts";
import { fieldsOf, listOf, shortText, wholeNumber } from "./said.ts";

/** Deliveries of one subscription that the isolate may have before it has dealt with them. */
const deliveryWindow = 256;
/** Subscriptions, readers and calls of one isolate at once. */
const subscriptionLimit = 1000;
const readerLimit = 100;
const callLimit = 10_000;

/** What the bus of an isolate is made with. */
export interface BusBridgeOptions {
  /** The instance's id. */
  readonly id: string;
  readonly bus: Bus;
  readonly link: Link;
  /** Whom it may speak for besides itself: patterns of ids. */
  readonly from: readonly string[];
  /** Called for each refusal, with what was refused. */
  readonly onRefused: (what: string) => void;
}

interface Bridged {
  readonly subscription: Subscription;
  outstanding: number;
  go: (() => void) | undefined;
}

/** The gateway's end of an isolate's bus: says what the isolate says in its name, after checking that it may, and hands over what it subscribed to as fast as it deals with it. */
export class BusBridge {
  readonly #options: BusBridgeOptions;
  readonly #subscriptions = new Map<number, Bridged>();
  readonly #readers = new Map<number, Reader>();
  readonly #batches = new Map<number, { resolve(): void; reject(error: unknown): void }>();
  readonly #calls = new Map<number, AbortController>();
  #nextBatch = 0;
  #pressed = false;

  constructor(options: BusBridgeOptions) {
    this.#options = options;
  }

  /** Whether the journal is full: nothing more should be taken before `bus.ready`. Reading it resets it. */
  get pressed(): boolean {
    const pressed = this.#pressed;
    this.#pressed = false;
    return pressed;
  }

  /** Takes what the isolate says to its bus; false for anything else. @throws {SyntaxError | BusbarError} when it makes no sense. */
  take(head: readonly unknown[], body: Uint8Array): boolean {
    switch (head[0]) {
      case "publish":
        this.#publish(body);
        return true;
      case "deliver":
      case "request":
        this.#call(head[0], wholeNumber(head[1], "a call"), body);
        return true;
      case "abort":
        this.#calls.get(wholeNumber(head[1], "a call"))?.abort(new BusbarError("CLOSED", "given up"));
        return true;
      case "subscribe":
        this.#subscribe(wholeNumber(head[1], "a subscription"), shortText(head[2], "a pattern"), fieldsOf(head[3], "its options"));
        return true;
      case "unsubscribe":
        this.#close(wholeNumber(head[1], "a subscription"));
        return true;
      case "done":
        this.#done(wholeNumber(head[1], "a subscription"));
        return true;
      case "consume":
        this.#consume(wholeNumber(head[1], "a reader"), { name: shortText(head[2], "a reader's name", 128), pattern: patternsOf(head[3]), options: fieldsOf(head[4], "its options") });
        return true;
      case "close-reader":
        this.#readers.get(wholeNumber(head[1], "a reader"))?.close();
        return true;
      case "batch-done":
        this.#settle(head[1], (batch) => batch.resolve());
        return true;
      case "batch-failed":
        this.#settle(head[1], (batch) => batch.reject(unpackError(head[2])));
        return true;
      default:
        return false;
    }
  }

  /** The isolate is gone: what it had not settled comes again, to others or to itself. */
  end(): void {
    const gone = new BusbarError("UNAVAILABLE", "its isolate is gone");
    for (const { reject } of this.#batches.values()) reject(gone);
    this.#batches.clear();
    for (const call of this.#calls.values()) call.abort(gone);
    for (const id of [...this.#subscriptions.keys()]) this.#close(id);
    for (const reader of this.#readers.values()) reader.close();
  }

  #publish(body: Uint8Array): void {
    try {
      this.#pressed = !this.#options.bus.publish(this.#read(body)) || this.#pressed;
    } catch (error) {
      if (!(error instanceof BusbarError)) throw error;
      this.#options.onRefused(error.message);
    }
  }

  #call(kind: "deliver" | "request", id: number, body: Uint8Array): void {
    const { bus, link, onRefused } = this.#options;
    const fail = (error: unknown): void => link.send(["error", id, packError(error)]);
    if (this.#calls.size >= callLimit) return fail(new BusbarError("OVERLOAD", `Cannot ${kind}: ${callLimit} calls are open`));
    const abort = new AbortController();
    this.#calls.set(id, abort);
    const work = async (): Promise<void> => {
      try {
        const message = this.#read(body);
        if (kind === "deliver") link.send(["result", id, await bus.deliver(message)]);
        else {
          const answer = await bus.request(message, { signal: abort.signal });
          link.send(["result", id, answer.received], packEnvelope(answer));
        }
      } catch (error) {
        if (error instanceof BusbarError && error.code === "FORBIDDEN") onRefused(error.message);
        fail(error);
      } finally {
        this.#calls.delete(id);
      }
    };
    void work();
  }

  /** @throws {BusbarError} FORBIDDEN when it speaks for somebody that it may not speak for. */
  #read(body: Uint8Array): Message {
    const { id, from } = this.#options;
    const message = unpackEnvelope(body);
    const speaker = message.from === "" ? id : message.from;
    if (!speaksFor(id, speaker) && (isReservedId(speaker) || !from.some((pattern) => covers(`status/${pattern}`, `status/${speaker}`)))) throw new BusbarError("FORBIDDEN", `Cannot publish as ${JSON.stringify(speaker.slice(0, 80))}: the plugin's package.json does not name it in "from"`);
    if (gatewayTypes.has(message.type)) throw new BusbarError("FORBIDDEN", `Cannot publish a message of type "${message.type}": only the gateway itself says that`);
    return message;
  }

  #subscribe(id: number, pattern: string, options: Readonly<Record<string, unknown>>): void {
    const { bus, link } = this.#options;
    if (this.#subscriptions.has(id)) throw new SyntaxError("Cannot subscribe: there is a subscription of that number");
    if (this.#subscriptions.size >= subscriptionLimit) throw new SyntaxError(`Cannot subscribe: there are ${subscriptionLimit} subscriptions`);
    const { limit, overflow, retained } = options as SubscribeOptions;
    let bridged: Bridged | undefined;
    const deliver = (message: Envelope, offset: number | undefined): void | Promise<void> => {
      link.send(["message", id, message.received, offset ?? null], packEnvelope(createMessage(message)));
      if (bridged === undefined || ++bridged.outstanding < deliveryWindow) return undefined;
      return new Promise((resolve) => (bridged!.go = resolve));
    };
    const subscription = bus.subscribe(pattern, deliver, {
      ...(limit !== undefined && { limit: wholeNumber(limit, "a limit") }),
      ...(overflow !== undefined && { overflow }),
      ...(retained !== undefined && { retained: retained === true }),
      onClose: (reason) => {
        this.#subscriptions.delete(id);
        link.send(["closed", id, reason]);
      },
    });
    bridged = { subscription, outstanding: 0, go: undefined };
    this.#subscriptions.set(id, bridged);
  }

  #done(id: number): void {
    const bridged = this.#subscriptions.get(id);
    if (bridged === undefined) return;
    bridged.outstanding = Math.max(0, bridged.outstanding - 1);
    if (bridged.outstanding > deliveryWindow / 2) return;
    bridged.go?.();
    bridged.go = undefined;
  }

  #close(id: number): void {
    const bridged = this.#subscriptions.get(id);
    this.#subscriptions.delete(id);
    bridged?.subscription.close();
    bridged?.go?.();
  }

  #consume(id: number, { name, pattern, options }: { readonly name: string; readonly pattern: string | readonly string[]; readonly options: ConsumeOptions }): void {
    const { bus, link } = this.#options;
    if (this.#readers.has(id) || this.#readers.size >= readerLimit) throw new SyntaxError("Cannot consume: there is a reader of that number, or too many");
    const reader = bus.consume(name, pattern, (entries, { lane, late, attempt, signal }) => {
      const batch = ++this.#nextBatch;
      const packed = entries.map(({ message }) => packEnvelope(createMessage(message)));
      const body = new Uint8Array(packed.reduce((size, one) => size + one.length, 0));
      packed.reduce((at, one) => (body.set(one, at), at + one.length), 0);
      link.send(["reader-status", id, reader.status()]);
      link.send(["batch", id, batch, entries.map(({ offset, message }, at) => [offset, message.received, packed[at]!.length]), { lane, late, attempt }], body);
      signal.addEventListener("abort", () => link.send(["batch-abort", id]), { once: true });
      return new Promise<void>((resolve, reject) => this.#batches.set(batch, { resolve, reject }));
    }, options);
    this.#readers.set(id, reader);
    link.send(["reader-status", id, reader.status()]);
    void reader.ended.then(() => {
      this.#readers.delete(id);
      link.send(["reader-ended", id]);
    });
  }

  #settle(id: unknown, how: (batch: { resolve(): void; reject(error: unknown): void }) => void): void {
    const batch = this.#batches.get(wholeNumber(id, "a batch"));
    this.#batches.delete(id as number);
    if (batch) how(batch);
  }
}

function patternsOf(value: unknown): string | readonly string[] {
  return Array.isArray(value) ? listOf(value, "its patterns").map((one) => shortText(one, "a pattern")) : shortText(value, "a pattern");
}
