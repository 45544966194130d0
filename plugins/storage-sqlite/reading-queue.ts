import { errorCode, type Envelope } from "@busbar/core";
import { Pack } from "./entry-codec.ts";
import type { WorkerClient } from "./worker-client.ts";

/** How readings gather on their way to the worker. */
export interface ReadingQueueOptions {
  /** Messages of one transaction. */
  readonly batch: number;
  /** Messages that may wait or be on their way; more are dropped. */
  readonly limit: number;
  /** So many readings were stored. */
  readonly onStored: (count: number) => void;
  /** Readings of messages that were written, by why they themselves were not. */
  readonly onDropped: (reason: string, count: number) => void;
  /** So many messages were written: their readings are stored or dropped. */
  readonly onWritten: (messages: number) => void;
  /** Whole messages that were not. */
  readonly onLost: (reason: string, messages: number) => void;
  /** Called with what kept a batch from being stored. */
  readonly onError: (error: unknown) => void;
}

/** Bytes of one batch, whatever its count. */
const batchBytes = 1024 * 1024;

/**
 * Packs messages into batches for the worker. Taking a message is a copy of its bytes, nothing is parsed here. Bounded: while `limit` messages are
 * under way new ones are dropped and counted as "queue-full".
 */
export class ReadingQueue {
  readonly #worker: WorkerClient;
  readonly #options: ReadingQueueOptions;
  #pack: Pack | undefined;
  #spare: ArrayBuffer | undefined;
  #underWay = 0;

  constructor(worker: WorkerClient, options: ReadingQueueOptions) {
    this.#worker = worker;
    this.#options = options;
  }

  /** Messages that wait or are on their way. */
  get size(): number {
    return this.#underWay + (this.#pack?.count ?? 0);
  }

  add(message: Envelope): void {
    if (this.size >= this.#options.limit) return this.#options.onLost("queue-full", 1);
    this.#pack ??= new Pack(this.#spare);
    this.#spare = undefined;
    this.#pack.add(message);
    if (this.#pack.count >= this.#options.batch || this.#pack.length >= batchBytes) this.flush();
  }

  /** Sends what has gathered. The worker serves calls in order, so a query sent after this sees it. */
  flush(): void {
    const pack = this.#pack;
    if (!pack) return;
    this.#pack = undefined;
    const { count, length, buffer } = pack;
    this.#underWay += count;
    this.#worker.call("ingest", { buffer, length }, buffer).then(
      (result) => {
        this.#underWay -= count;
        if (result.buffer.byteLength <= 4 * batchBytes) this.#spare = result.buffer;
        this.#options.onWritten(count);
        this.#options.onStored(result.stored);
        for (const [reason, dropped] of Object.entries(result.dropped)) this.#options.onDropped(reason, dropped);
      },
      (error: unknown) => {
        this.#underWay -= count;
        this.#options.onLost(errorCode(error) === "OVERLOAD" ? "full" : "failed", count);
        this.#options.onError(error);
      },
    );
  }
}
