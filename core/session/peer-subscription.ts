import type { Subscription } from "../bus.ts";
import type { Clock } from "../clock.ts";
import type { PostOffice } from "../delivery/post-office.ts";
import type { Envelope, Message } from "../envelope.ts";
import type { SubscribeFrame } from "../frame.ts";

/** What a subscription needs of its session. */
export interface SubscriptionHost {
  readonly office: PostOffice;
  readonly clock: Clock;
  /** Whether the session goes on. */
  readonly open: boolean;
  /** Hands a message to the transport. Returns false when it was not taken (slow consumer) or the session has ended. */
  send(message: Message, offset: number | undefined, binary: boolean): boolean;
  /** The same for a message that is being dispatched: sent once however many patterns of the peer match it. */
  sendLive(message: Message, offset: number | undefined, binary: boolean): boolean;
  /** Whether the transport has taken most of what was sent. */
  hasRoom(): boolean;
  /** The subscription cannot go on. */
  failed(subscription: PeerSubscription, error: unknown): void;
  /** Deliveries that may be unacknowledged. */
  readonly inFlight: number;
  /** Milliseconds after which an unacknowledged delivery is sent again. */
  readonly redeliver: number;
}

/** Entries read at once while catching up, first and at the most: as many as the peer has shown to take. */
const firstPage = 50;
const maxPage = 500;

/**
 * One subscription of a peer. It is live, or it catches up: from `since`, or after the peer had too many deliveries unacknowledged. While it catches up it reads the journal
 * up to what live subscribers have seen and then goes live in the same turn, so there is neither a gap nor a double. Messages that are not in the journal
 * (qos 0) pass at once in either state.
 */
export class PeerSubscription {
  readonly frame: SubscribeFrame;
  readonly #host: SubscriptionHost;
  readonly #live: Subscription;
  readonly #tracked: boolean;
  /** By offset, as msgids are unique per sender only. */
  readonly #unacknowledged = new Map<number, { message: Message; offset: number; sent: number }>();
  /** The newest offset, and the time, when the subscription began. */
  readonly #firstOffset: number;
  readonly #began: number;
  #after: number;
  #catchingUp: boolean;
  #reading = false;
  #open = true;

  constructor(frame: SubscribeFrame, host: SubscriptionHost) {
    this.frame = frame;
    this.#host = host;
    this.#tracked = frame.qos > 0;
    this.#firstOffset = host.office.last;
    this.#began = host.clock.now();
    this.#after = frame.since ?? this.#firstOffset;
    this.#catchingUp = frame.since !== undefined;
    if (!this.#catchingUp) host.office.retained(frame.topic, (message, offset) => host.send(message as Message, offset, frame.binary === true));
    this.#live = host.office.subscribe(frame.topic, (message, offset) => this.#take(message, offset));
    if (this.#catchingUp) void this.#catchUp();
  }

  /** The peer has that delivery. */
  acknowledge(msgid: string): boolean {
    for (const { message, offset } of this.#unacknowledged.values()) {
      if (message.msgid !== msgid) continue;
      this.#unacknowledged.delete(offset);
      if (this.#catchingUp) void this.#catchUp();
      return true;
    }
    return false;
  }

  /** Sends again what has been unacknowledged for too long. */
  repeat(now: number): void {
    for (const one of this.#unacknowledged.values()) {
      if (now - one.sent < this.#host.redeliver) continue;
      one.sent = now;
      this.#host.send(one.message, one.offset, this.frame.binary === true);
    }
  }

  close(): void {
    this.#open = false;
    this.#live.close();
    this.#unacknowledged.clear();
  }

  #take(message: Envelope, offset: number | undefined): void {
    if (offset === undefined) {
      this.#host.sendLive(message as Message, undefined, this.frame.binary === true);
      return;
    }
    if (this.#catchingUp || offset <= this.#after) return;
    if (this.#host.hasRoom() && !(this.#tracked && this.#unacknowledged.size >= this.#host.inFlight)) return this.#send(message as Message, offset, true);
    this.#catchingUp = true; // it is in the journal: read from there when the peer has caught up
    void this.#catchUp();
  }

  #send(message: Message, offset: number, live: boolean): void {
    this.#after = offset;
    const binary = this.frame.binary === true;
    if (!(live ? this.#host.sendLive(message, offset, binary) : this.#host.send(message, offset, binary))) return;
    if (this.#tracked && message.qos > 0) this.#unacknowledged.set(offset, { message, offset, sent: this.#host.clock.now() });
  }

  /** A retained message of qos 0 passed at once when it was published, and came to the journal afterwards. */
  #wasLive(message: Envelope, offset: number): boolean {
    return message.qos === 0 && offset > this.#firstOffset && message.received >= this.#began;
  }

  async #catchUp(): Promise<void> {
    if (this.#reading) return;
    this.#reading = true;
    const { office, clock, inFlight } = this.#host;
    let size = firstPage;
    try {
      while (this.#open && this.#catchingUp) {
        const room = this.#tracked ? inFlight - this.#unacknowledged.size : maxPage;
        if (room <= 0) return; // an acknowledgement starts it again
        if (!this.#host.hasRoom()) {
          await clock.sleep(20);
          continue;
        }
        if (this.#after >= office.last) {
          this.#catchingUp = false;
          return;
        }
        const { entries, until } = await office.journal!.read({ after: this.#after, limit: Math.min(room, size), pattern: this.frame.topic });
        if (!this.#open) return;
        let sent = 0;
        while (sent < entries.length && this.#host.hasRoom()) {
          const { message, offset } = entries[sent++]!;
          if (this.#wasLive(message, offset)) this.#after = offset;
          else this.#send(message as Message, offset, false);
        }
        if (sent === entries.length) {
          this.#after = until;
          size = Math.min(maxPage, size * 2);
        } else size = Math.max(1, sent); // the rest is read again when there is room: a stalled peer holds no page in memory
      }
    } catch (error) {
      if (this.#open) this.#host.failed(this, error);
    } finally {
      this.#reading = false;
    }
  }
}
