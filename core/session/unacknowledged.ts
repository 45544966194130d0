import type { Message } from "../envelope.ts";
import { sizeOf, type QueueBudget } from "./overflow-queue.ts";

/** Pauses between repetitions double up to this many ms, or to the first pause where that is longer. */
const longestPause = 60_000;

interface Delivery {
  readonly message: Message;
  readonly offset: number;
  /** Milliseconds since the Unix epoch of the last time. */
  sent: number;
  /** How often it was repeated. */
  repeated: number;
}

/**
 * The deliveries of one subscription that its peer has not acknowledged, by offset, as msgids are unique per sender only. A message that is due is repeated together with the later
 * ones of its topic that are unacknowledged too: what the peer hears last is in order per topic.
 */
export class Unacknowledged {
  readonly #deliveries = new Map<number, Delivery>();
  readonly #pause: number;
  readonly #budget: QueueBudget;

  /** `pause`: ms after which a delivery is repeated for the first time; each further pause is twice as long. `budget`: bytes that all subscriptions of the session may hold; the last one may exceed it. */
  constructor(pause: number, budget: QueueBudget = { left: Number.POSITIVE_INFINITY }) {
    this.#pause = pause;
    this.#budget = budget;
  }

  /** Whether there is room for one more. */
  get hasRoom(): boolean {
    return this.#budget.left > 0;
  }

  get size(): number {
    return this.#deliveries.size;
  }

  /** Takes note of a delivery, in order of offset. `now` in ms since the Unix epoch. */
  add(message: Message, offset: number, now: number): void {
    if (!this.#deliveries.has(offset)) this.#budget.left -= sizeOf(message);
    this.#deliveries.set(offset, { message, offset, sent: now, repeated: 0 });
  }

  /** The peer has that delivery; without an offset the oldest of that msgid is meant. Returns false when none is out. */
  acknowledge(msgid: string, offset: number | undefined): boolean {
    if (offset !== undefined) return this.#deliveries.get(offset)?.message.msgid === msgid && this.#forget(offset);
    for (const delivery of this.#deliveries.values()) if (delivery.message.msgid === msgid) return this.#forget(delivery.offset);
    return false;
  }

  /** Calls `send` for everything that is due, in order of offset, until it returns false: the rest stays due. */
  repeat(now: number, send: (message: Message, offset: number) => boolean): void {
    let topics: Map<string, number> | undefined;
    for (const delivery of this.#deliveries.values()) {
      const { message, offset } = delivery;
      const due = now - delivery.sent >= this.#pauseAfter(delivery.repeated);
      const pulled = topics?.get(message.topic);
      if (!due && pulled === undefined) continue;
      if (!send(message, offset)) return;
      delivery.sent = now;
      delivery.repeated = Math.max(due ? delivery.repeated + 1 : 0, pulled ?? 0); // so that they are due together the next time
      if (pulled === undefined) (topics ??= new Map()).set(message.topic, delivery.repeated);
    }
  }

  clear(): void {
    for (const offset of this.#deliveries.keys()) this.#forget(offset);
  }

  #forget(offset: number): boolean {
    this.#budget.left += sizeOf(this.#deliveries.get(offset)!.message);
    return this.#deliveries.delete(offset);
  }

  #pauseAfter(repeated: number): number {
    return Math.min(this.#pause * 2 ** Math.min(repeated, 20), Math.max(this.#pause, longestPause));
  }
}
