import type { ConsumeOptions, Subscription } from "../bus.ts";
import type { Clock } from "../clock.ts";
import { BusbarError } from "../errors.ts";
import type { Entry, Journal } from "../journal.ts";
import type { Log } from "../log.ts";
import { retryDelay } from "../retry.ts";

/** What a durable reader works with. */
export interface ConsumerOptions extends ConsumeOptions {
  readonly journal: Journal;
  readonly clock: Clock;
  readonly log: Log;
  /** The newest committed offset. */
  readonly last: () => number;
}

/**
 * A durable reader: reads the journal from its cursor on, hands over batches in order, and moves the cursor when the handler has
 * resolved. What the handler refuses comes again, with growing pauses.
 */
export class Consumer implements Subscription {
  readonly pattern: string;
  readonly #name: string;
  readonly #handler: (batch: readonly Entry[]) => Promise<void>;
  readonly #options: ConsumerOptions;
  readonly #abort = new AbortController();
  #wake: (() => void) | undefined;
  /** Resolves when the reader has ended and its last batch is settled. */
  readonly ended: Promise<void>;

  constructor(name: string, pattern: string, handler: (batch: readonly Entry[]) => Promise<void>, options: ConsumerOptions) {
    this.#name = name;
    this.pattern = pattern;
    this.#handler = handler;
    this.#options = options;
    this.ended = this.#run();
  }

  /** Says that something was committed. */
  notify(): void {
    this.#wake?.();
  }

  close(): void {
    this.#abort.abort();
    this.#wake?.();
  }

  async #run(): Promise<void> {
    const { journal, clock, log } = this.#options;
    let after: number | undefined;
    for (let attempt = 0; !this.#abort.signal.aborted; ) {
      try {
        after ??= await this.#begin();
        if (after >= this.#options.last()) {
          await this.#sleep();
          continue;
        }
        const page = await journal.read({ after, limit: this.#options.batch ?? 100, pattern: this.pattern });
        if (page.entries.length > 0) await this.#handler(page.entries);
        await journal.moveCursor(this.#name, page.until);
        after = page.until;
        attempt = 0;
      } catch (error) {
        if (this.#abort.signal.aborted) return;
        if (error instanceof BusbarError && error.code === "UNKNOWN_OFFSET") {
          const { first } = journal.bounds();
          log.error("reader lost entries that retention removed", { reader: this.#name, after, oldest: first });
          after = first - 1;
          continue;
        }
        log.warn("reader will try again", { reader: this.#name, error });
        await clock.sleep(retryDelay(attempt++), this.#abort.signal).catch(() => {});
      }
    }
  }

  async #begin(): Promise<number> {
    const { journal } = this.#options;
    const known = await journal.cursor(this.#name);
    if (known !== undefined) return known;
    const after = this.#options.start === "now" ? this.#options.last() : Math.max(0, journal.bounds().first - 1);
    await journal.moveCursor(this.#name, after);
    return after;
  }

  #sleep(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
      if (this.#abort.signal.aborted) this.#wake();
    });
  }
}
