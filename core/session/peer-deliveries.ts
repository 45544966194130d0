import { droppedCounter } from "../delivery/message-ledger.ts";
import type { Counter, Metrics } from "../metrics.ts";

/** The ledger's account of what is delivered to remote peers: each delivery, live, retained, replayed or a command, is given to the transport or dropped, perhaps after a wait in its subscription's queue. Sending one again counts as another. */
export class PeerDeliveries {
  readonly #metrics: Metrics;
  readonly #dropped = new Map<string, Counter>();
  readonly handed: Counter;
  readonly sent: Counter;
  /** How many are in queues. */
  waiting = 0;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
    this.handed = metrics.counter("busbar_peer_deliveries_total", "Deliveries to remote peers");
    this.sent = metrics.counter("busbar_peer_deliveries_settled_total", "Deliveries to remote peers that ended, by fate; those dropped are in busbar_dropped_total", { fate: "sent" });
    metrics.gauge("busbar_peer_deliveries_waiting", "Deliveries to remote peers that wait for room", () => this.waiting);
  }

  dropped(reason: string, count = 1): void {
    let counter = this.#dropped.get(reason);
    if (!counter) this.#dropped.set(reason, (counter = droppedCounter(this.#metrics, reason)));
    counter.value += count;
  }

  /** Of those that wait. */
  droppedWaiting(reason: string, count: number): void {
    this.waiting -= count;
    this.dropped(reason, count);
  }
}
