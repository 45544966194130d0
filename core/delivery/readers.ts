import type { ConsumeOptions, Reader } from "../bus.ts";
import type { Clock } from "../clock.ts";
import type { Envelope } from "../envelope.ts";
import type { Journal } from "../journal.ts";
import type { Log } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import { checkPattern, isId } from "../topic.ts";
import type { DeadLetterBox } from "./dead-letter-box.ts";
import { DurableReader, type BatchHandler } from "./reader/durable-reader.ts";
import { checkConsumeOptions } from "./reader/reader-options.ts";

/** What durable readers share. */
export interface ReadersOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly letters: DeadLetterBox;
  /** The newest committed offset. */
  readonly last: () => number;
}

/** A reader that is there, or waits for the journal to be. */
interface Place {
  reader: DurableReader | undefined;
  closed: boolean;
  readonly ended: Promise<void>;
}

/** All durable readers of a gateway, by name. */
export class Readers {
  readonly #options: ReadersOptions;
  readonly #byName = new Map<string, Place>();
  readonly #running = new Set<DurableReader>();
  #journal: Journal | undefined;
  #waiting: ((journal: Journal) => void)[] = [];

  constructor(options: ReadersOptions) {
    this.#options = options;
  }

  /** The journal is there: readers begin. */
  open(journal: Journal): void {
    this.#journal = journal;
    for (const begin of this.#waiting.splice(0)) begin(journal);
  }

  /** Says to every reader that a message was committed. */
  notify(message: Envelope, offset: number): void {
    for (const reader of this.#running) reader.notify(message, offset);
  }

  /** Whether there is a reader of that name, or the last batch of one is not settled yet. */
  has(name: string): boolean {
    return this.#byName.has(name);
  }

  /** Ends all of them. Resolves when their last batches are settled. */
  async close(): Promise<void> {
    const places = [...this.#byName.values()];
    for (const reader of this.#running) reader.close();
    await Promise.all(places.filter(({ reader }) => reader !== undefined).map(({ ended }) => ended));
  }

  /**
   * As Bus.consume, by the reader's full name. One that takes the name of a reader that was closed begins when that one's last batch is settled.
   * @throws {TypeError} when there is an open reader of that name, or it is no name; {RangeError} for an option out of its range; {BusbarError} BAD_FRAME for a pattern that is none.
   */
  consume(name: string, pattern: string | readonly string[], options: ConsumeOptions & { readonly handler: BatchHandler; readonly log?: Log }): Reader {
    if (!isId(name)) throw new TypeError(`Cannot consume as ${JSON.stringify(name)}: a name is made of levels of [A-Za-z0-9._:@-]+ joined by "/"`);
    for (const one of [pattern].flat()) checkPattern(one);
    for (const lane of options.lanes ?? []) lane.patterns.forEach(checkPattern);
    checkConsumeOptions(options);
    const before = this.#byName.get(name);
    if (before?.closed === false) throw new TypeError(`Cannot consume as "${name}": there is a reader of that name`);

    const { promise: ended, resolve } = Promise.withResolvers<void>();
    const place: Place = { reader: undefined, closed: false, ended };
    this.#byName.set(name, place);
    const end = (): void => {
      if (place.reader) this.#running.delete(place.reader);
      if (this.#byName.get(name) === place) this.#byName.delete(name);
      resolve();
    };
    const begin = (journal: Journal): void => {
      if (place.closed) return;
      place.reader = new DurableReader(name, pattern, { ...this.#options, ...options, journal, after: before?.ended });
      this.#running.add(place.reader);
      void place.reader.ended.then(end);
    };
    if (this.#journal) begin(this.#journal);
    else this.#waiting.push(begin);
    return {
      pattern: String(pattern),
      ended,
      status: () => place.reader?.status() ?? { name, lanes: [] },
      close() {
        if (place.closed) return;
        place.closed = true;
        if (place.reader) place.reader.close();
        else if (before) void before.ended.then(end);
        else end();
      },
    };
  }
}
