import type { DeadLetter } from "../../dead-letters.ts";
import type { DeadLetterBox } from "../dead-letter-box.ts";
import type { Batch } from "./lane.ts";

/**
 * The most urgent lane of a durable reader: those of its dead letters that somebody wants to be handed over again. It has no cursor: what is to be replayed, and what has been, is said in
 * the journal, and the dead letter box knows it from there.
 */
export class ReplayLane {
  readonly name = "replay";
  readonly #letters: DeadLetterBox;
  readonly #reader: string;
  readonly #batch: number;
  #loaded: readonly DeadLetter[] = [];
  #attempt = 0;

  /** `batch`: dead letters handed over at once. */
  constructor(letters: DeadLetterBox, options: { readonly reader: string; readonly batch: number }) {
    this.#letters = letters;
    this.#reader = options.reader;
    this.#batch = options.batch;
  }

  get ready(): boolean {
    return this.#loaded.length > 0;
  }

  get readable(): boolean {
    return this.#loaded.length === 0 && this.#letters.isAsked(this.#reader);
  }

  /** Reads the next ones. @throws {BusbarError} as Journal.read. */
  async read(): Promise<void> {
    this.#loaded = await this.#letters.load(this.#letters.asked(this.#reader, this.#batch));
  }

  /** The letters whose turn it is. */
  take(): Batch & { readonly letters: readonly DeadLetter[] } {
    return { letters: this.#loaded, entries: this.#loaded.map(({ place, message }) => ({ offset: place, message })), late: true, attempt: this.#attempt };
  }

  /** The batch that is out was not taken. Some of it may be dropped before its turn comes again, so it is read anew. */
  failed(): void {
    this.#loaded = [];
    this.#attempt++;
  }

  /** The batch that is out is done. */
  finish(): void {
    this.#loaded = [];
    this.#attempt = 0;
  }
}
