import type { Draft, Envelope } from "./envelope.ts";
import type { Entry } from "./journal.ts";
import type { Principal } from "./authority.ts";

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

/** How a durable reader behaves. */
export interface ConsumeOptions {
  /** Entries per call of the handler, 1–10,000. Default 100. */
  readonly batch?: number;
  /** Where a reader that has no cursor yet begins: the oldest entry there is, or what comes from now on. Default "oldest". */
  readonly start?: "oldest" | "now";
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
  /** Durable: batches of what the journal holds, in order, each repeated with backoff until the handler resolves. The cursor `name` survives restarts. */
  consume(name: string, pattern: string, handler: (batch: readonly Entry[]) => Promise<void>, options?: ConsumeOptions): Subscription;
  /**
   * Sends a command and waits for its answer, an `ack` whose payload is `{msgid, status: "ok"|"error", result?}`.
   * @throws the signal's reason when it aborts first.
   */
  request(draft: Draft, options: { readonly signal: AbortSignal }): Promise<Envelope>;
  /** Resolves when `publish` would return true again. */
  ready(signal: AbortSignal): Promise<void>;
  /** A bus with the rights of `principal`: every verb is checked against the Authority and `from` is stamped with its id, or checked against it. */
  as(principal: Principal): Bus;
}
