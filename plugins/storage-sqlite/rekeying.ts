import type { SealingStep } from "./journal-sealing.ts";
import type { WorkerClient } from "./worker-client.ts";
import type { SealedCounts, WorkerCalls } from "./worker-protocol.ts";

/** What was found about entries, or done with them, so far. */
export type RekeyProgress = Omit<SealingStep, "after" | "done" | "bytes">;

/** What became of all entries. */
export interface RekeyResult extends RekeyProgress {
  /** Retained values that could not be encrypted anew: damaged, or their key is missing. */
  readonly retainedLeft: number;
  /** Entries with encrypted fields, by the id of the key. */
  readonly counts: SealedCounts;
}

/** The encryption of fields of an open storage: how it stands, and the way of old entries to the present rules and key. */
export class Rekeying {
  readonly #worker: WorkerClient;
  /** How it stood when the storage was opened. */
  readonly opened: WorkerCalls["open"]["result"]["sealing"];

  constructor(worker: WorkerClient, opened: WorkerCalls["open"]["result"]["sealing"]) {
    this.#worker = worker;
    this.opened = opened;
  }

  /** Entries with encrypted fields, by the id of the key. */
  async counts(): Promise<SealedCounts> {
    return await this.#worker.call("sealedCounts", null);
  }

  /** Counts the entries that are older than the rules and that these would encrypt: `changed`. Other calls get their turn in between. */
  async survey(signal: AbortSignal): Promise<RekeyProgress> {
    return await this.#walk("survey", { start: 0, signal });
  }

  /**
   * Encrypts old entries with the present key, by the present rules, goes on where an earlier one was interrupted, and makes the files anew so that nothing is left in them of what was there before. Meant for a storage
   * that nobody else uses meanwhile.
   * @throws {BusbarError} OVERLOAD when the disk is full, IO when it cannot be written: what is done until then stays, and the next one goes on.
   */
  async rekey(onProgress: (upTo: number, progress: RekeyProgress) => void, signal?: AbortSignal): Promise<RekeyResult> {
    const progress = await this.#walk("rekey", { start: this.opened.rekeyedUpTo, signal, onProgress });
    const { left } = await this.#worker.call("finishRekey", null);
    return { ...progress, retainedLeft: left, counts: await this.counts() };
  }

  async #walk(call: "survey" | "rekey", { start, signal, onProgress }: { readonly start: number; readonly signal?: AbortSignal | undefined; readonly onProgress?: (upTo: number, progress: RekeyProgress) => void }): Promise<RekeyProgress> {
    const all = { looked: 0, changed: 0, damaged: 0, locked: 0 };
    for (let after = start; ; ) {
      signal?.throwIfAborted();
      const step = await this.#worker.call(call, after);
      for (const name of ["looked", "changed", "damaged", "locked"] as const) all[name] += step[name];
      onProgress?.(step.after, all);
      if (step.done) return all;
      ({ after } = step);
    }
  }
}
