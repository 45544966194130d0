import type { Clock, Log, Metrics } from "@busbar/core";

/** Milliseconds between two warnings about one reader. */
const day = 86_400_000;

/** What it works with. */
export interface CursorWatchOptions {
  readonly metrics: Metrics;
  readonly log: Log;
  readonly clock: Clock;
  /** Bytes of the journal beyond which a reader is in the way. */
  readonly size: number;
  /** The newest offset. */
  readonly last: () => number;
}

/** Shows how far each durable reader is behind, and warns about the one for which the journal has outgrown its size: such a one may never come back. */
export class CursorWatch {
  readonly #options: CursorWatchOptions;
  readonly #shown = new Map<string, { offset: number; readonly hide: () => void }>();
  readonly #warned = new Map<string, number>();

  constructor(options: CursorWatchOptions) {
    this.#options = options;
  }

  /** Takes over where the cursors stand; `bytes` is the size of the journal after retention. Called after each round of it. */
  look(cursors: ReadonlyMap<string, number>, bytes: number): void {
    const { metrics, log, clock, size, last } = this.#options;
    const readers = new Map<string, number>();
    for (const [cursor, offset] of cursors) {
      const reader = cursor.split("!", 1)[0]!; // what comes behind it tells the lanes of a reader apart
      readers.set(reader, Math.min(offset, readers.get(reader) ?? offset));
    }
    for (const [reader, { hide }] of this.#shown) if (!readers.has(reader) && this.#shown.delete(reader)) hide();
    let slowest: [reader: string, offset: number] | undefined;
    for (const [reader, offset] of readers) {
      const shown = this.#shown.get(reader);
      if (shown) shown.offset = offset;
      else {
        const hide = metrics.gauge("busbar_storage_cursor_behind", "Offsets between what a durable reader has done and the newest, whether it is there or not", () => Math.max(0, last() - (this.#shown.get(reader)?.offset ?? last())), { reader });
        this.#shown.set(reader, { offset, hide });
      }
      if (slowest === undefined || offset < slowest[1]) slowest = [reader, offset];
    }
    const [reader, offset] = slowest ?? ["", last()];
    if (bytes <= size || offset >= last() || clock.now() - (this.#warned.get(reader) ?? Number.NEGATIVE_INFINITY) < day) return;
    this.#warned.set(reader, clock.now());
    log.warn("the journal is larger than its size because a durable reader has not passed its oldest messages; one that is gone for good can be dropped", { reader, behind: last() - offset, bytes, size });
  }

  /** Takes the gauges away. */
  close(): void {
    for (const { hide } of this.#shown.values()) hide();
    this.#shown.clear();
  }
}
