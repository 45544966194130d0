import type { Draft, Envelope } from "./envelope.ts";
import type { Entry } from "./journal.ts";
import type { Origin, Principal } from "./authority.ts";

/** What `deliver` gives back. */
export interface Receipt {
  /** Its place in the journal. */
  readonly offset: number;
  /** Whether the same sender's same `msgid` was in the journal already: nothing was delivered again. */
  readonly duplicate: boolean;
  readonly msgid: string;
}

/**
 * What becomes of messages that an asynchronous subscriber has no room for. `latest` keeps only the newest of each topic;
 * `disconnect` closes the subscription.
 */
export type Overflow = "drop-oldest" | "drop-newest" | "latest" | "disconnect";

/** How a live subscription behaves. */
export interface SubscribeOptions {
  /** Messages that may wait while the handler's promise is pending, 1–1,000,000. Default 1,000. */
  readonly limit?: number;
  /** Default "drop-oldest". Every message dropped is counted by reason. */
  readonly overflow?: Overflow;
  /** Hand over the retained value of each matching topic first. Default false. */
  readonly retained?: boolean;
  /** Called once when the bus ends the subscription by itself (overflow `disconnect`, a right that was taken away). */
  readonly onClose?: (reason: string) => void;
}

/** A lane of a durable reader: what is in it goes before what is in the lanes after it. */
export interface Lane {
  /** Lower case, such as "alarm"; not "live" or "backfill". */
  readonly name: string;
  /** Topics that go this way. A topic that fits several lanes takes the first. */
  readonly patterns: readonly string[];
}

/** How a durable reader behaves. */
export interface ConsumeOptions {
  /** Entries per call of the handler, 1–10,000. Default 100. */
  readonly batch?: number;
  /** Bytes of payload per call of the handler, at least one entry. Default 1 MiB. */
  readonly bytes?: number;
  /** Milliseconds to wait for a batch to fill, from when its first entry could be handed over. Default 0. */
  readonly linger?: number;
  /** Where a reader that has no cursor yet begins: the oldest entry there is, or what comes from now on. Default "oldest". */
  readonly start?: "oldest" | "now";
  /** Lanes that go before the rest, first one first; the rest is the lane "live". Each has its own cursor, so order holds within a lane. Default: none. */
  readonly lanes?: readonly Lane[];
  /**
   * Milliseconds after which what the lane "live" has not handed over becomes the lane "backfill": it goes on after everything else, at `pace` entries a second, while what is
   * new goes at once. Default: never; everything goes in the order of the journal.
   */
  readonly overtake?: number;
  /** Entries a second of the lane "backfill" at the most. Default 1,000; 0 = as many as the handler takes. */
  readonly pace?: number;
  /** Milliseconds after its arrival from which an entry counts as late. Default 60,000. */
  readonly late?: number;
}

/** What comes with a batch. */
export interface Delivery {
  /** "live", "backfill", or the name of a lane of `ConsumeOptions.lanes`. */
  readonly lane: string;
  /** Whether every entry of the batch is late: it comes from the backfill, or arrived longer than `late` ago. Late entries and others never share a batch. */
  readonly late: boolean;
  /** How often this batch was handed over before: 0 the first time. */
  readonly attempt: number;
  /** Aborts when the reader is closed. */
  readonly signal: AbortSignal;
}

/** How far a durable reader has come. */
export interface ReaderStatus {
  /** As in the journal: `<instance>/<name>`. */
  readonly name: string;
  readonly lanes: readonly {
    readonly lane: string;
    /** Everything of the lane up to this offset is done. */
    readonly offset: number;
    /** Offsets between that and the newest: an upper limit of what is still to come. */
    readonly behind: number;
  }[];
  /** Why the last batch was not taken; absent when it was. */
  readonly failing?: string | undefined;
}

/** A durable reader. */
export interface Reader extends Subscription {
  status(): ReaderStatus;
  /** Resolves when it is closed and its last batch is settled. A reader of the same name that is made before that begins then. */
  readonly ended: Promise<void>;
}

/** Ends what it stands for. Closing twice does nothing. */
export interface Subscription {
  readonly pattern: string;
  close(): void;
}

/**
 * Carries envelopes to whoever subscribed. Authority is the bus object you hold: a plugin's own may do everything in the plugin's
 * name, `as()` gives one that may do what its principal may.
 */
export interface Bus {
  /**
   * At most once, synchronous: every live subscriber has seen the message when it returns.
   * A retained message is kept in the journal too, without anybody waiting for it.
   * @returns false when the source should pause and await `ready()`: the journal's queue is over its high-water mark.
   * @throws {BusbarError} BAD_FRAME for a malformed draft, FORBIDDEN where the principal may not.
   */
  publish(draft: Draft): boolean;
  /**
   * Durable when it resolves; live subscribers see the message after the commit, before the promise resolves.
   * @throws {BusbarError} as `publish`; OVERLOAD when the journal is full, IO when it fails.
   */
  deliver(draft: Draft): Promise<Receipt>;
  /**
   * Live: `handler` gets each message as it passes; `offset` is its place in the journal, or undefined. A handler may return a promise: it is not
   * called again before that settles, and messages wait in a bounded queue.
   */
  subscribe(pattern: string, handler: (message: Envelope, offset: number | undefined) => void | Promise<void>, options?: SubscribeOptions): Subscription;
  /**
   * Durable: batches of what the journal holds, in order, each repeated with backoff and jitter until the handler resolves. Cursors survive restarts under `name`, which is unique
   * within the instance. Where the handler rejects with `retryAfter`, that is how long is waited. Where it rejects with REFUSED, the entries it names become dead letters
   * (an envelope of type `dead-letter` each, see DeadLetters), the other entries of the batch count as done, and the reader goes on.
   * @throws {TypeError} when the instance has a reader of that name already.
   */
  consume(name: string, pattern: string | readonly string[], handler: (batch: readonly Entry[], delivery: Delivery) => Promise<void>, options?: ConsumeOptions): Reader;
  /**
   * Sends a command and waits for its answer, an `ack` whose payload is `{msgid, status: "ok"|"error", result?}`.
   * @throws the signal's reason when it aborts first.
   */
  request(draft: Draft, options: { readonly signal: AbortSignal }): Promise<Envelope>;
  /** Resolves when the journal has room: `publish` would return true, and `deliver` not be refused at once. */
  ready(signal: AbortSignal): Promise<void>;
  /** A bus with the rights of `principal`: every verb is checked against the Authority and `from` is stamped with its id, or checked against it. `origin`: where it is, for the audit log. */
  as(principal: Principal, origin?: Origin): Bus;
}
