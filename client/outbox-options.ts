import type { ClientError } from "./client-error.ts";
import type { ClientClock } from "./clock.ts";
import type { Outgoing } from "./envelope.ts";
import type { StoreQueue } from "./store-queue.ts";

/** What an outbox may hold, and what happens when it is full. */
export interface BufferOptions {
  /** Messages. Default 10,000. */
  readonly limit?: number;
  /** Bytes of their payloads, and 100 for each message. Default 32 MiB. */
  readonly bytes?: number;
  /**
   * `reject` (default): the new message is refused with OVERLOAD, and its sender still has it. `drop-newest`: the new one is let go of, with DROPPED. `drop-oldest`: the oldest that is not on
   * its way is let go of, with DROPPED. What is dropped is told of in `dropped`.
   */
  readonly overflow?: "reject" | "drop-oldest" | "drop-newest";
}

/** How an outbox sends. */
export interface OutboxOptions {
  readonly clock: ClientClock;
  readonly buffer: Required<BufferOptions>;
  /** Messages of one frame at the most, and milliseconds to wait for more. */
  readonly batch: { readonly count: number; readonly linger: number };
  /** Messages that may be unacknowledged at once. */
  readonly window: number;
  /** Bytes of one frame. */
  readonly frameLimit: number;
  readonly store: StoreQueue | undefined;
  /** A message was let go of, or refused for good. */
  readonly dropped: (message: Outgoing, error: ClientError) => void;
}
