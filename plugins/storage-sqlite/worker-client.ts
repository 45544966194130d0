import { Worker } from "node:worker_threads";
import { BusbarError, errorText } from "@busbar/core";
import type { WorkerCalls, WorkerReply } from "./worker-protocol.ts";

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** The thread of the database, seen from the main one. */
export class WorkerClient {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #onCrash: (error: BusbarError) => void;
  readonly #onProgress: (() => void) | undefined;
  #next = 0;
  #ended: BusbarError | undefined;

  /** `onCrash` is called once when the thread ends without having been asked to, `onProgress` now and then while a damaged file is salvaged. */
  constructor(onCrash: (error: BusbarError) => void, onProgress?: () => void) {
    this.#onCrash = onCrash;
    this.#onProgress = onProgress;
    const url = import.meta.url;
    this.#worker = new Worker(new URL(`./worker${url.slice(url.lastIndexOf("."))}`, url)); // .ts here, .js when published
    this.#worker.on("message", (reply: WorkerReply) => this.#settle(reply));
    this.#worker.on("error", (error) => this.#crash(error));
    this.#worker.on("exit", (code) => this.#crash(new Error(`it ended with code ${code}`)));
  }

  /**
   * Calls the worker; `transfer` is a buffer of the argument that moves there.
   * @throws {BusbarError} what the call throws; IO when the thread is gone.
   */
  call<K extends keyof WorkerCalls>(call: K, argument: WorkerCalls[K]["argument"], transfer?: ArrayBuffer): Promise<WorkerCalls[K]["result"]> {
    if (this.#ended) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      const id = ++this.#next;
      this.#waiting.set(id, { resolve: resolve as (result: unknown) => void, reject });
      this.#worker.postMessage({ id, call, argument }, transfer ? [transfer] : []);
    });
  }

  /** As `call`, until the signal ends it: it then rejects with the signal's reason at once, and the worker stops at its next slice. */
  async callUntil<K extends keyof WorkerCalls>(call: K, argument: WorkerCalls[K]["argument"], signal: AbortSignal): Promise<WorkerCalls[K]["result"]> {
    signal.throwIfAborted();
    const answer = this.call(call, argument);
    const id = this.#next;
    const cancel = (): void => {
      this.#waiting.get(id)?.reject(signal.reason);
      this.#waiting.delete(id);
      if (!this.#ended) this.#worker.postMessage({ id: ++this.#next, call: "cancel", argument: id });
    };
    signal.addEventListener("abort", cancel, { once: true });
    try {
      return await answer;
    } finally {
      signal.removeEventListener("abort", cancel);
    }
  }

  /** Closes both files and ends the thread. What was called before is done first. */
  async close(): Promise<void> {
    if (this.#ended) return;
    try {
      await this.call("close", null);
    } finally {
      await this.terminate();
    }
  }

  /** Ends the thread as it is. */
  async terminate(): Promise<void> {
    this.#end(new BusbarError("CLOSED", "Cannot use the storage: it is closed"));
    await this.#worker.terminate();
  }

  #settle(reply: WorkerReply): void {
    if ("progress" in reply) return this.#onProgress?.();
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (reply.ok) waiting?.resolve(reply.result);
    else waiting?.reject(new BusbarError(reply.code, reply.message, { retryable: reply.retryable, resumeAfter: reply.resumeAfter }));
  }

  #crash(error: unknown): void {
    if (this.#ended) return;
    const crash = new BusbarError("IO", `Cannot use the storage: its thread ended: ${errorText(error)}`, { cause: error });
    this.#end(crash);
    this.#onCrash(crash);
  }

  #end(error: BusbarError): void {
    this.#ended ??= error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
