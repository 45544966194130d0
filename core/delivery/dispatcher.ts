import type { Overflow, SubscribeOptions, Subscription } from "../bus.ts";
import type { Envelope } from "../envelope.ts";
import type { Log } from "../log.ts";
import type { Counter, Metrics } from "../metrics.ts";
import { TopicIndex } from "../topic-index.ts";

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
  readonly #delivered: Counter;
  readonly #looped: Counter;
  readonly #metrics: Metrics;
  #busy = false;
  /** Messages dispatched so far: names the one that is being dispatched. */
  count = 0;
  #hops = 0;
  #waiting: { message: Envelope; offset: number | undefined; hops: number }[] = [];

  constructor(options: { readonly log: Log; readonly metrics: Metrics }) {
    this.#log = options.log;
    this.#metrics = options.metrics;
    this.#delivered = options.metrics.counter("busbar_deliveries_total", "Messages handed to live subscribers");
    this.#looped = droppedCounter(options.metrics, "loop");
  }

  /** Live subscriptions now. */
  get size(): number {
    return this.#index.size;
  }

  dispatch(message: Envelope, offset: number | undefined): void {
    if (this.#busy) {
      if (this.#hops < maxHops && this.#waiting.length < maxFollowing) this.#waiting.push({ message, offset, hops: this.#hops + 1 });
      else {
        this.#looped.value++;
        this.#log.error("message dropped: it went round in a circle", { topic: message.topic, hops: this.#hops });
      }
      return;
    }
    this.#busy = true;
    this.#hand(message, offset);
    if (this.#waiting.length > 0) this.#drain();
    this.#busy = false;
  }

  #hand(message: Envelope, offset: number | undefined): void {
    this.count++;
    const subscribers = this.#index.match(message.topic);
    for (let at = 0; at < subscribers.length; at++) subscribers[at]!.take(message, offset);
    this.#delivered.value += subscribers.length;
  }

  #drain(): void {
    for (let at = 0; at < this.#waiting.length; at++) {
      const { message, offset, hops } = this.#waiting[at]!;
      this.#hops = hops;
      this.#hand(message, offset);
    }
    this.#waiting = [];
    this.#hops = 0;
  }

  subscribe(pattern: string, handler: LiveHandler, options: SubscribeOptions & { readonly log?: Log } = {}): LiveSubscription {
    const subscriber = new Subscriber(pattern, handler, options.log ?? this.#log, options, (reason) => droppedCounter(this.#metrics, reason));
    subscriber.onClose = this.#index.add(pattern, subscriber);
    return subscriber;
  }
}

/** Messages dropped, by reason: every one is counted. */
export function droppedCounter(metrics: Metrics, reason: string): Counter {
  return metrics.counter("busbar_dropped_total", "Messages dropped, by reason", { reason });
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
  readonly #dropped: (reason: string) => Counter;
  #open = true;
  /** Set while a handler's promise is pending. */
  #queue: { message: Envelope; offset: number | undefined }[] | undefined;
  onClose: () => void = () => {};

  constructor(pattern: string, handler: LiveHandler, log: Log, options: SubscribeOptions, dropped: (reason: string) => Counter) {
    this.pattern = pattern;
    this.#handler = handler;
    this.#log = log;
    this.#limit = options.limit ?? 1000;
    this.#overflow = options.overflow ?? "drop-oldest";
    this.#ended = options.onClose;
    this.#dropped = dropped;
  }

  take(message: Envelope, offset: number | undefined): void {
    if (!this.#open) return; // closed by a handler before it in the same dispatch
    if (this.#queue !== undefined) return this.#enqueue(message, offset);
    try {
      const pending = this.#handler(message, offset);
      if (isPromise(pending)) this.#await(pending);
    } catch (error) {
      this.#report(error);
    }
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#queue = undefined;
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
        this.#dropped("latest").value++;
        queue[at] = { message, offset };
        return;
      }
    }
    if (queue.length < this.#limit) {
      queue.push({ message, offset });
      return;
    }
    this.#dropped(this.#overflow).value++;
    if (this.#overflow === "disconnect") {
      this.close();
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
