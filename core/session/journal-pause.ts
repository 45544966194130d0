import type { Codec } from "../codec.ts";
import type { Message } from "../envelope.ts";
import type { PeerChannel } from "./peer-channel.ts";
import { SendOrder } from "./send-order.ts";

/** Bytes that are read of a peer and kept while the journal refuses messages; about a chunk of 64 KiB more when they are exceeded. */
const readAhead = 16 * 1024;

/** A frame that came meanwhile. */
export interface HeldFrame {
  readonly bytes: Uint8Array;
  readonly codec: Codec;
}

/**
 * Makes one peer wait for the journal: what it says is not heard until the journal has caught up or takes messages again, and its messages stay in order when some were refused meanwhile.
 * A wait that lasts goes on reading, within bounds, as otherwise nobody would notice that the peer has left.
 */
export class JournalPause {
  readonly #channel: PeerChannel;
  readonly #over: () => void;
  #held: HeldFrame[] | undefined;
  #heldBytes = 0;
  /** Ends the wait. */
  #waiting: AbortController | undefined;
  #order: SendOrder | undefined;
  /** Until then, in ms since the Unix epoch, nothing is taken for unacknowledged. */
  #deafUntil = 0;

  /** `over` is told when a pause is: the peer may be read again. */
  constructor(channel: PeerChannel, over: () => void) {
    this.#channel = channel;
    this.#over = over;
  }

  /** Whether the peer has to wait. */
  get active(): boolean {
    return this.#waiting !== undefined;
  }

  /** Stops reading until the journal is ready. */
  begin(): void {
    if (this.#waiting !== undefined || !this.#channel.open) return;
    const { transport, office } = this.#channel;
    this.#waiting = new AbortController();
    transport.pause();
    office.ready(this.#waiting.signal).then(
      () => {
        this.#waiting = undefined;
        this.#order?.resumed();
        this.#over();
      },
      () => {}, // the session has ended
    );
  }

  /** The journal refused that message for the time being: none after it may overtake it. */
  refused(message: Message): void {
    (this.#order ??= new SendOrder(this.#channel.clock)).refused(message);
  }

  /** Whether a message may go on to the journal. */
  admits(message: Message): boolean {
    return this.#order === undefined || this.#order.admits(message);
  }

  /** Whether frames are kept for later. */
  get holding(): boolean {
    return this.#held !== undefined;
  }

  /** Keeps a frame, whose bytes are copied. Returns true. */
  hold(bytes: Uint8Array, codec: Codec): true {
    this.#held?.push({ bytes: bytes.slice(), codec });
    this.#heldBytes += bytes.length;
    if (this.#heldBytes > readAhead) this.#channel.transport.pause();
    return true;
  }

  /** Takes what was kept, in order. */
  take(): readonly HeldFrame[] {
    const held = this.#held ?? [];
    this.#held = undefined;
    this.#heldBytes = 0;
    return held;
  }

  /** About once a second: whether the peer is heard, so that what it has not acknowledged is unacknowledged indeed. `now`: ms since the Unix epoch. */
  hears(now: number): boolean {
    if (this.#waiting === undefined) return now >= this.#deafUntil;
    if (this.#held === undefined && this.#channel.office.refusal !== undefined) {
      this.#held = [];
      this.#channel.transport.resume();
    }
    this.#deafUntil = now + this.#channel.redeliver; // its acknowledgements are not read meanwhile, nor all at once afterwards
    return false;
  }

  /** The session has ended. */
  end(): void {
    this.#waiting?.abort();
  }
}
