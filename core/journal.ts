import type { Envelope } from "./envelope.ts";

/** A message and its place in the journal. */
export interface Entry {
  /** Positive, strictly increasing, never used twice within an epoch; gaps are allowed. */
  readonly offset: number;
  readonly message: Envelope;
}

/** What a reader asks for. */
export interface ReadQuery {
  /** Only entries with a greater offset. */
  readonly after: number;
  /** At most so many, 1–10,000. */
  readonly limit: number;
  /** Only topics that match this filter, or one of these. Default: all. */
  readonly pattern?: string | readonly string[] | undefined;
}

/** One page of a reader. */
export interface ReadPage {
  readonly entries: readonly Entry[];
  /** Every entry that matches and has an offset up to this one is in this page or an earlier one: the `after` of the next page. */
  readonly until: number;
}

/**
 * The durable, ordered log behind the bus (DESIGN §1). What is acknowledged is in it; every durable reader is a cursor on it. The kernel is
 * its only writer and appends one batch at a time; readers may read meanwhile and see whole batches only.
 */
export interface Journal {
  /** Names this log. Another epoch means another log: offsets of the old one say nothing. */
  readonly epoch: string;
  /** The oldest and newest offset it holds; `first > last` when it is empty. */
  bounds(): { readonly first: number; readonly last: number };
  /**
   * Appends a batch (1–10,000 messages) in one transaction and resolves once it is as durable as the journal promises. Message `i` has the offset
   * that is returned plus `i`. Called again only after it has settled.
   * @throws {BusbarError} OVERLOAD when the medium or the quota is full, IO when it cannot be written: nothing of the batch is then in the journal.
   */
  append(batch: readonly Envelope[]): Promise<number>;
  /**
   * The entries after an offset, oldest first.
   * @throws {BusbarError} UNKNOWN_OFFSET when `after` lies before what retention removed (the message names the oldest that is left, `resumeAfter` is the offset before it),
   * or beyond `last` (`resumeAfter` is then absent). DAMAGED when what comes next is not as it was written; `resumeAfter` is the last offset that is lost.
   */
  read(query: ReadQuery): Promise<ReadPage>;
  /** The last retained message of each topic (a retained null or empty bytes removes its topic), in order of offset. */
  retained(): Promise<readonly Entry[]>;
  /** Where the durable reader `name` stands: everything up to this offset is done. Undefined when there is none of that name. */
  cursor(name: string): Promise<number | undefined>;
  /** Every durable reader and where it stands. */
  cursors(): Promise<ReadonlyMap<string, number>>;
  /** Moves or makes a cursor. Retention keeps what a cursor has not passed. */
  moveCursor(name: string, offset: number): Promise<void>;
  /** Forgets a cursor. */
  dropCursor(name: string): Promise<void>;
}

/** Whether a retained message of this payload clears its topic (MQTT 3.1.1 §3.3.1.3: a zero-length payload). */
export function clearsRetained(payload: unknown): boolean {
  return payload === null || (payload instanceof Uint8Array && payload.length === 0);
}

/** How large the in-memory journal may grow. */
export interface MemoryJournalOptions {
  /** Entries kept; the oldest go first. Default 100,000. */
  readonly limit?: number;
}
