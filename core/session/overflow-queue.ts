import type { Overflow } from "../bus.ts";
import type { Message } from "../envelope.ts";

/** A delivery that waits. `offset`: its place in the journal, where it has one. */
export interface WaitingDelivery {
  readonly message: Message;
  readonly offset: number | undefined;
}

/** What one waiting message takes besides its payload, about: the object and its strings. Bytes. */
const overhead = 200;

/** Bytes that all queues, or all unacknowledged deliveries, of one session may hold together. */
export interface QueueBudget {
  left: number;
}

/** How a queue behaves when it is full. */
export interface OverflowQueueOptions {
  readonly policy: Overflow;
  /** Messages it holds at the most. */
  readonly limit: number;
  readonly budget: QueueBudget;
  /** Told of every message that is dropped, by reason. */
  readonly dropped: (reason: string, count: number) => void;
}

/**
 * Deliveries that wait for room on the way to one peer, bounded in messages and in bytes. What is dropped when it is full is the policy's choice; `latest` keeps one message
 * of each topic, the newest in the place of the one before it.
 */
export class OverflowQueue {
  readonly #options: OverflowQueueOptions;
  #items: (WaitingDelivery | undefined)[] = [];
  #head = 0;
  /** The number of the item at place 0: items are numbered from the first one on. */
  #base = 0;
  /** The number of each topic's item, for `latest`. */
  readonly #byTopic: Map<string, number> | undefined;

  constructor(options: OverflowQueueOptions) {
    this.#options = options;
    this.#byTopic = options.policy === "latest" ? new Map() : undefined;
  }

  /** Messages that wait. */
  get size(): number {
    return this.#items.length - this.#head;
  }

  /** Takes a message, and makes room for it as the policy says. Returns false when the policy is to disconnect. */
  push(message: Message, offset: number | undefined): boolean {
    message.detach(); // it is kept for longer than the chunk it was read from should be
    const { policy, limit, budget } = this.#options;
    const known = this.#byTopic?.get(message.topic);
    if (known !== undefined) {
      const place = known - this.#base;
      budget.left += sizeOf(this.#items[place]!.message) - sizeOf(message);
      this.#items[place] = { message, offset };
      this.#dropped("latest", 1);
      while (budget.left < 0 && this.size > 0) this.#drop();
      return true;
    }
    const size = sizeOf(message);
    if (policy === "drop-oldest" || policy === "latest") while (this.size > 0 && (this.size >= limit || budget.left < size)) this.#drop();
    if (this.size >= limit || budget.left < size) {
      this.#dropped(policy, 1);
      return policy !== "disconnect";
    }
    budget.left -= size;
    this.#byTopic?.set(message.topic, this.#base + this.#items.length);
    this.#items.push({ message, offset });
    return true;
  }

  /** Takes the oldest message out; undefined when there is none. */
  shift(): WaitingDelivery | undefined {
    if (this.#head === this.#items.length) return undefined;
    const oldest = this.#items[this.#head]!;
    this.#items[this.#head++] = undefined;
    this.#options.budget.left += sizeOf(oldest.message);
    this.#byTopic?.delete(oldest.message.topic);
    if (this.#head === this.#items.length || (this.#head >= 1024 && this.#head * 2 >= this.#items.length)) {
      this.#base += this.#head;
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return oldest;
  }

  /** Drops what waits: nobody will take it any more. */
  clear(): void {
    const count = this.size;
    while (this.shift() !== undefined);
    if (count > 0) this.#dropped("closed", count);
  }

  #drop(): void {
    this.shift();
    this.#dropped(this.#options.policy, 1);
  }

  #dropped(reason: string, count: number): void {
    this.#options.dropped(reason, count);
  }
}

/** About how much memory a message takes, in bytes. It does not change while the message waits: its payload has been written out as text or is plain bytes. */
export function sizeOf(message: Message): number {
  return overhead + (message.payloadBytes()?.length ?? message.payloadText().length);
}
