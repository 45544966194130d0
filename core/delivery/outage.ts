import type { Clock } from "../clock.ts";
import { BusbarError } from "../errors.ts";
import type { Log } from "../log.ts";
import { retryDelay } from "../retry.ts";

/** Why and since when the journal takes nothing. */
export interface JournalRefusal {
  /** Of the last attempt. */
  readonly error: BusbarError;
  /** Milliseconds since the Unix epoch. */
  readonly since: number;
  /** Messages refused or put off since then. */
  readonly messages: number;
}

/** What an outage works with. */
export interface OutageOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Resolves when the journal has taken something; rejects when it still refuses. */
  readonly tryAgain: (refusal: JournalRefusal) => Promise<void>;
  /** Is told after each attempt, once `refusal` says how it went. */
  readonly tried: (recovered: boolean) => void;
}

/** The longest pause between two attempts, in milliseconds. */
const longestPause = 5000;
/** A journal that refuses again within this many milliseconds has not recovered: the pauses go on growing. */
const steadyAfter = 10_000;

/** The times when the journal refuses messages: tries by itself, with growing pauses, until it takes them again. */
export class Outage {
  readonly #options: OutageOptions;
  #refusal: { error: BusbarError; readonly since: number; messages: number } | undefined;
  #attempt = 0;
  #recoveredAt = Number.NEGATIVE_INFINITY;
  #closed = false;
  #cancel = (): void => {};

  constructor(options: OutageOptions) {
    this.#options = options;
  }

  /** Undefined when the journal takes messages. */
  get refusal(): JournalRefusal | undefined {
    return this.#refusal;
  }

  begin(error: BusbarError): void {
    const now = this.#options.clock.now();
    if (now - this.#recoveredAt > steadyAfter) this.#attempt = 0;
    this.#refusal = { error, since: now, messages: 0 };
    this.#options.log.error("journal refuses messages", { error });
    this.#tryLater();
  }

  /** So many messages were refused. */
  count(messages: number): void {
    if (this.#refusal) this.#refusal.messages += messages;
  }

  /** Tries no more. */
  close(): void {
    this.#closed = true;
    this.#cancel();
  }

  #tryLater(): void {
    if (!this.#closed) this.#cancel = this.#options.clock.after(retryDelay(this.#attempt++, { max: longestPause }), this.#try);
  }

  readonly #try = (): void => {
    const refusal = this.#refusal!;
    const { clock, log, tryAgain, tried } = this.#options;
    tryAgain(refusal).then(
      () => {
        this.#refusal = undefined;
        this.#recoveredAt = clock.now();
        log.info("journal takes messages again", { refused: refusal.messages, ms: this.#recoveredAt - refusal.since });
        tried(true);
      },
      (error: unknown) => {
        if (error instanceof BusbarError) refusal.error = error;
        this.#tryLater();
        tried(false);
      },
    );
  };
}
