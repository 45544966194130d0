import type { Overflow, SubscribeOptions, Subscription } from "../bus.ts";
import type { Envelope } from "../envelope.ts";
import type { Log } from "../log.ts";
import type { Counter, Metrics } from "../metrics.ts";
import { TopicIndex } from "../topic-index.ts";
import { droppedCounter, MessageLedger } from "./message-ledger.ts";

/** What a live subscriber is called with. */
export type LiveHandler = (message: Envelope, offset: number | undefined) => void | Promise<void>;

/** A live subscription as its office sees it. */
export interface LiveSubscription extends Subscription {
  /** Hands one message to this subscriber alone, as a dispatch does: never while its handler is at work, and it never throws. */
  take(message: Envelope, offset: number | undefined): void;
}

/** A message published from within a handler is `hops` handlers away from its source; more than this is taken for a loop. */
const maxHops = 32;
/** Messages that one message may set off: handlers that each publish two would otherwise make 2^32 of them before the hops end it. */
const maxFollowing = 100_000;

/**
 * Hands each message to every live subscriber, synchronously. A message that is published from within a handler is handed over right after the
 * current one, so that all subscribers see the same order.
 */
export class Dispatcher {
  readonly #index = new TopicIndex<Subscriber>();
  readonly #log: Log;
  readonly #ledger: MessageLedger;
  readonly #deliveries: Deliveries;
  #busy = false;
  /** Messages dispatched so far: names the one that is being dispatched. */
  count = 0;
  #hops = 0;
  #waiting: { message: Envelope; offset: number | undefined; kept: boolean; hops: number }[] = [];

  constructor(options: { readonly log: Log; readonly metrics: Metrics }) {
    this.#log = options.log;
    this.#ledger = new MessageLedger(options.metrics);
    this.#deliveries = new Deliveries(options.metrics);
  }

  /** Live subscriptions now. */
  get size(): number {
    return this.#index.size;
  }

  /** Hands a message to its subscribers. `kept`: it is in the journal or on its way there, which is then its fate in the ledger, not that it was heard. */
  dispatch(message: Envelope, offset: number | undefined, kept: boolean): void {
    if (this.#busy) {
      if (this.#hops < maxHops && this.#waiting.length < maxFollowing) this.#waiting.push({ message, offset, kept, hops: this.#hops + 1 });
      else this.#loop(message, kept);
      return;
    }
    this.#busy = true;
    this.#hand(message, offset, kept);
    if (this.#waiting.length > 0) this.#drain();
    this.#busy = false;
  }

  #hand(message: Envelope, offset: number | undefined, kept: boolean): void {
    this.count++;
    const subscribers = this.#index.match(message.topic);
    if (!kept) (subscribers.length > 0 ? this.#ledger.delivered : this.#ledger.unheard).value++;
    this.#deliveries.handed.value += subscribers.length;
    for (let at = 0; at < subscribers.length; at++) subscribers[at]!.offer(message, offset);
  }

  #drain(): void {
    for (let at = 0; at < this.#waiting.length; at++) {
      const { message, offset, kept, hops } = this.#waiting[at]!;
      this.#hops = hops;
      this.#hand(message, offset, kept);
    }
    this.#waiting = [];
    this.#hops = 0;
  }

  /** What is kept has not got lost itself: only the deliveries of it have. */
  #loop(message: Envelope, kept: boolean): void {
    this.#log.error("message dropped: it went round in a circle", { topic: message.topic, hops: this.#hops });
    if (!kept) return this.#ledger.dropped("loop");
    const { length } = this.#index.match(message.topic);
    this.#deliveries.handed.value += length;
    this.#deliveries.dropped("loop", length);
  }

  subscribe(pattern: string, handler: LiveHandler, options: SubscribeOptions & { readonly log?: Log } = {}): LiveSubscription {
    const subscriber = new Subscriber(pattern, handler, options.log ?? this.#log, options, this.#deliveries);
    subscriber.onClose = this.#index.add(pattern, subscriber);
    return subscriber;
  }
}

/** The account of what was handed to subscribers: each delivery is taken, waits, or is dropped. */
class Deliveries {
  readonly #metrics: Metrics;
  readonly handed: Counter;
  readonly taken: Counter;
  readonly #dropped = new Map<string, Counter>();
  /** Deliveries in the queues of subscribers that are at work. */
  waiting = 0;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
    this.handed = metrics.counter("busbar_deliveries_total", "Messages handed to live subscribers within the gateway");
    this.taken = metrics.counter("busbar_deliveries_settled_total", "Deliveries to live subscribers that ended, by fate; those dropped are in busbar_dropped_total", { fate: "taken" });
    metrics.gauge("busbar_deliveries_waiting", "Deliveries that wait for a subscriber that is at work", () => this.waiting);
  }

  dropped(reason: string, count: number): void {
    if (count === 0) return;
    let counter = this.#dropped.get(reason);
    if (!counter) this.#dropped.set(reason, (counter = droppedCounter(this.#metrics, reason, "subscribers")));
    counter.value += count;
  }
}

/** A handler may return anything where nobody checks its types. */
function isPromise(value: void | Promise<void>): value is Promise<void> {
  return value !== undefined && value !== null && typeof value.then === "function";
}

class Subscriber implements LiveSubscription {
  readonly pattern: string;
  readonly #handler: LiveHandler;
  readonly #log: Log;
  readonly #limit: number;
  readonly #overflow: Overflow;
  readonly #ended: ((reason: string) => void) | undefined;
  readonly #deliveries: Deliveries;
  #open = true;
  /** Set while a handler's promise is pending. */
  #queue: { message: Envelope; offset: number | undefined }[] | undefined;
  onClose: () => void = () => {};

  constructor(pattern: string, handler: LiveHandler, log: Log, options: SubscribeOptions, deliveries: Deliveries) {
    this.pattern = pattern;
    this.#handler = handler;
    this.#log = log;
    this.#limit = options.limit ?? 1000;
    this.#overflow = options.overflow ?? "drop-oldest";
    this.#ended = options.onClose;
    this.#deliveries = deliveries;
  }

  take(message: Envelope, offset: number | undefined): void {
    this.#deliveries.handed.value++;
    this.offer(message, offset);
  }

  /** As `take`, for what the dispatcher has counted as handed over. */
  offer(message: Envelope, offset: number | undefined): void {
    if (!this.#open) return this.#deliveries.dropped("closed", 1); // by a handler before it in the same dispatch
    if (this.#queue !== undefined) return this.#enqueue(message, offset);
    this.#deliveries.taken.value++;
    try {
      const pending = this.#handler(message, offset);
      if (isPromise(pending)) this.#await(pending);
    } catch (error) {
      this.#report(error);
    }
  }

  close(): void {
    this.#end("closed");
  }

  #end(reason: string): void {
    if (!this.#open) return;
    this.#open = false;
    const left = this.#queue?.length ?? 0;
    this.#queue = undefined;
    this.#deliveries.waiting -= left;
    this.#deliveries.dropped(reason, left);
    this.onClose();
  }

  #await(pending: Promise<void>): void {
    this.#queue = [];
    const next = (): void => {
      const first = this.#queue?.shift();
      if (first === undefined) {
        this.#queue = undefined;
        return;
      }
      this.#deliveries.waiting--;
      this.#deliveries.taken.value++;
      try {
        const again = this.#handler(first.message, first.offset);
        if (isPromise(again)) again.then(next, failed);
        else queueMicrotask(next);
      } catch (error) {
        failed(error);
      }
    };
    const failed = (error: unknown): void => {
      this.#report(error);
      queueMicrotask(next);
    };
    pending.then(next, failed);
  }

  #enqueue(message: Envelope, offset: number | undefined): void {
    const queue = this.#queue!;
    if (this.#overflow === "latest") {
      const at = queue.findIndex((one) => one.message.topic === message.topic);
      if (at >= 0) {
        this.#deliveries.dropped("latest", 1);
        queue[at] = { message, offset };
        return;
      }
    }
    if (queue.length < this.#limit) {
      queue.push({ message, offset });
      this.#deliveries.waiting++;
      return;
    }
    this.#deliveries.dropped(this.#overflow, 1);
    if (this.#overflow === "disconnect") {
      this.#end("disconnect");
      try {
        this.#ended?.("overflow");
      } catch (error) {
        this.#report(error);
      }
    } else if (this.#overflow !== "drop-newest") {
      queue.shift();
      queue.push({ message, offset });
    }
  }

  #report(error: unknown): void {
    this.#log.error("handler failed", { pattern: this.pattern, error });
  }
}
