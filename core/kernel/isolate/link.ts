import { encodeBatch, type BorderMessage } from "./batch.ts";

/** What carries batches between the two sides: a worker's channel, or a pipe to a process. */
export interface Carrier {
  /** Hands a batch over. It belongs to the carrier from then on. */
  post(batch: Uint8Array<ArrayBuffer>): void;
  /** Bytes that the other side has not taken yet, as far as that is known. */
  waiting(): number;
}

const noBytes = new Uint8Array(0);

/** One side's mouth: gathers what is said within one turn of the event loop and sends it as one batch. */
export class Link {
  readonly #carrier: Carrier;
  #queue: BorderMessage[] = [];
  #closed = false;

  constructor(carrier: Carrier) {
    this.#carrier = carrier;
  }

  /** Bytes that the other side has not taken yet. */
  get waiting(): number {
    return this.#carrier.waiting();
  }

  /** Says something. `body` must not change until the turn is over. */
  send(head: readonly unknown[], body: Uint8Array = noBytes): void {
    if (this.#closed) return;
    if (this.#queue.push({ head, body }) === 1) setImmediate(() => this.flush());
  }

  /** Sends what was said so far at once. */
  flush(): void {
    const queue = this.#queue;
    if (queue.length === 0 || this.#closed) return;
    this.#queue = [];
    this.#carrier.post(encodeBatch(queue));
  }

  /** Nothing more is said. */
  close(): void {
    this.#closed = true;
    this.#queue = [];
  }
}
