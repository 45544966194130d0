import type { Counter, Metrics } from "../../metrics.ts";

/** What a durable reader counts. */
export class ReaderMetrics {
  readonly retries: Counter;
  readonly #metrics: Metrics;
  readonly #reader: string;
  readonly #delivered = new Map<string, Counter>();
  readonly #entered: Counter;
  readonly #settled: (fate: "delivered" | "dead-letter" | "returned") => Counter;
  /** Entries that the handler is at work on. */
  #inHand = 0;
  #gauges: (() => void)[] = [];

  constructor(metrics: Metrics, reader: string) {
    this.#metrics = metrics;
    this.#reader = reader;
    this.#entered = metrics.counter("busbar_readers_entered_total", "Entries handed to durable readers, each time", { reader });
    this.#settled = (fate) => metrics.counter("busbar_readers_settled_total", "Entries handed to durable readers, by fate; those returned come again", { reader, fate });
    metrics.gauge("busbar_readers_waiting", "Entries that durable readers are at work on", () => this.#inHand, { reader });
    this.retries = metrics.counter("busbar_reader_retries_total", "Batches that a durable reader has to hand over again", { reader });
  }

  /** The ledger's account: so many entries are handed over now. */
  handOver(count: number): void {
    this.#entered.value += count;
    this.#inHand += count;
  }

  /** What became of entries that were handed over. */
  settle(fate: "delivered" | "dead-letter" | "returned", count: number): void {
    this.#inHand -= count;
    this.#settled(fate).value += count;
  }

  /** Entries that the handler took. */
  delivered(lane: string): Counter {
    let counter = this.#delivered.get(lane);
    if (!counter) this.#delivered.set(lane, (counter = this.#metrics.counter("busbar_reader_delivered_total", "Entries that durable readers have handed over", { reader: this.#reader, lane })));
    return counter;
  }

  /** Offsets that were gone before the reader came to them. */
  lost(reason: string): Counter {
    return this.#metrics.counter("busbar_reader_lost_total", "Offsets that a durable reader could not read any more", { reader: this.#reader, reason });
  }

  /** Shows how far each lane is behind; replaces what was shown before. */
  show(lanes: readonly string[], behind: (lane: string) => number): void {
    this.hide();
    this.#gauges = lanes.map((lane) => this.#metrics.gauge("busbar_reader_behind", "Offsets between what a durable reader has handed over and the newest", () => behind(lane), { reader: this.#reader, lane }));
  }

  /** Takes the gauges away. */
  hide(): void {
    for (const remove of this.#gauges.splice(0)) remove();
  }
}
