import type { Clock } from "../clock.ts";

/** What tells a message from every other. */
interface Sent {
  readonly from: string;
  readonly msgid: string;
}

/** Milliseconds: what a peer sent before it can have heard of a refusal has arrived by then. */
const grace = 2000;

/**
 * Keeps the order of a peer's messages when the journal refuses one for the time being. The peer has sent more meanwhile; these must not overtake the refused one, so they are refused as well
 * until that one comes again, as it does from a peer that sends everything unacknowledged again in order. A peer that lets it be is heard again after 2 s.
 */
export class SendOrder {
  readonly #clock: Clock;
  #first: Sent | undefined;
  #until = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The journal refused that message. */
  refused({ from, msgid }: Sent): void {
    this.#first ??= { from, msgid };
    this.#until = this.#clock.now() + grace;
  }

  /** The peer is read again, after it was not for a while. */
  resumed(): void {
    this.#until = this.#clock.now() + grace;
  }

  /** Whether a message may go on to the journal. */
  admits({ from, msgid }: Sent): boolean {
    const first = this.#first;
    if (first === undefined) return true;
    if ((first.msgid !== msgid || first.from !== from) && this.#clock.now() < this.#until) return false;
    this.#first = undefined;
    return true;
  }
}
