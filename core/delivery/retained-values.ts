import type { Envelope } from "../envelope.ts";
import { clearsRetained } from "../journal.ts";
import { matches } from "../topic.ts";

/** A retained message and its place in the journal; undefined until it has one. */
export interface RetainedValue {
  readonly message: Envelope;
  readonly offset: number | undefined;
}

/** The last retained message of each topic: a view of the journal that is kept in memory. */
export class RetainedValues {
  readonly #values = new Map<string, RetainedValue>();
  readonly #limit: number;

  /** `limit`: topics kept at the most; a further one is refused. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#values.size;
  }

  /** Takes a retained message; null or empty bytes forget the topic. Returns false when there is no room for another topic. */
  set(message: Envelope, offset: number | undefined): boolean {
    if (clearsRetained(message.payload)) {
      this.#values.delete(message.topic);
      return true;
    }
    if (this.#values.size >= this.#limit && !this.#values.has(message.topic)) return false;
    this.#values.set(message.topic, { message, offset });
    return true;
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
