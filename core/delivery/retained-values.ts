import type { Envelope } from "../envelope.ts";
import { clearsRetained } from "../journal.ts";
import { matches } from "../topic.ts";

/** A retained message and its place in the journal; undefined until it has one. */
export interface RetainedValue {
  readonly message: Envelope;
  readonly offset: number | undefined;
}

/**
 * The last retained message of each topic: a view of the journal that is kept in memory. A published one counts at once, before it is in the journal; what is committed
 * meanwhile was published earlier and does not undo it.
 */
export class RetainedValues {
  readonly #values = new Map<string, RetainedValue>();
  /** What waits for its place in the journal, by topic: a value, or a null that forgets one. */
  readonly #pending = new Map<string, Envelope>();
  readonly #limit: number;

  /** `limit`: topics kept at the most; a further one is refused. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#values.size;
  }

  /**
   * Takes a retained message; null or empty bytes forget the topic. Without an offset the message is on its way to the journal: `set` again once it has one, or `lost`.
   * Returns false when there is no room for another topic.
   */
  set(message: Envelope, offset: number | undefined): boolean {
    const { topic } = message;
    const pending = this.#pending.get(topic);
    if (offset !== undefined && pending !== undefined) {
      if (pending !== message) return true;
      this.#pending.delete(topic);
    }
    const clears = clearsRetained(message.payload);
    if (!clears && this.#values.size >= this.#limit && !this.#values.has(topic)) return false;
    if (offset === undefined) this.#pending.set(topic, message);
    if (clears) this.#values.delete(topic);
    else this.#values.set(topic, { message, offset });
    return true;
  }

  /** Whether the message is the newest of its topic and on its way to the journal. */
  isPending(message: Envelope): boolean {
    return this.#pending.get(message.topic) === message;
  }

  /** The journal has not taken the message: it counts until another one comes. */
  lost(message: Envelope): void {
    if (this.#pending.get(message.topic) === message) this.#pending.delete(message.topic);
  }

  /** Calls `each` for every value whose topic matches. */
  forEach(pattern: string, each: (value: RetainedValue) => void): void {
    if (/[+#]/.test(pattern)) {
      for (const [topic, value] of this.#values) if (matches(pattern, topic)) each(value);
    } else {
      const value = this.#values.get(pattern);
      if (value) each(value);
    }
  }
}
