import type { Counter, Metrics } from "../metrics.ts";

/** An account of the ledger whose drops share `busbar_dropped_total`. */
export type LedgerAccountName = "messages" | "subscribers" | "peers";

/** What was dropped, by reason: every drop is counted. `of`: a message that reached nobody or was not kept, a delivery to a subscriber within the gateway, or one to a remote peer. */
export function droppedCounter(metrics: Metrics, reason: string, of: LedgerAccountName = "peers"): Counter {
  return metrics.counter("busbar_dropped_total", "Dropped, by reason: messages, deliveries to subscribers, deliveries to peers", { of, reason });
}

/**
 * Counts every message that enters the bus, and the one fate in which it ends: see the table in the README. All who hold one of the same metrics count together; a count is one
 * field write.
 */
export class MessageLedger {
  readonly #metrics: Metrics;
  /** By qos. */
  readonly received: readonly [Counter, Counter, Counter];
  /** Handed to at least one live subscriber, and to be kept nowhere. */
  readonly delivered: Counter;
  /** Committed to the journal. */
  readonly stored: Counter;
  /** Known by its sender and msgid: acknowledged again. */
  readonly duplicate: Counter;
  /** To be kept nowhere, and nobody has subscribed to it. */
  readonly unheard: Counter;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
    const received = (qos: string): Counter => metrics.counter("busbar_received_total", "Messages that entered the bus, by qos", { qos });
    this.received = [received("0"), received("1"), received("2")];
    this.delivered = this.#fate({ fate: "delivered" });
    this.stored = this.#fate({ fate: "stored" });
    this.duplicate = this.#fate({ fate: "duplicate" });
    this.unheard = droppedCounter(metrics, "no-subscriber", "messages");
  }

  /** Not taken, and its sender was told why: the error's code. */
  refused(code: string): void {
    this.#fate({ fate: "refused", reason: code }).value++;
  }

  /** Not kept, and nobody is told. */
  dropped(reason: string): void {
    droppedCounter(this.#metrics, reason, "messages").value++;
  }

  #fate(labels: Readonly<Record<string, string>>): Counter {
    return this.#metrics.counter("busbar_messages_total", "Messages by the fate in which they ended; those dropped are in busbar_dropped_total", labels);
  }
}
