import type { Subscription } from "../bus.ts";
import type { DeliveryTerms } from "../codec.ts";
import type { RetainedValue } from "../delivery/retained-values.ts";
import type { Envelope, Message } from "../envelope.ts";
import { BusbarError } from "../errors.ts";
import type { SubscribeFrame } from "../frame.ts";
import { retryDelay } from "../retry.ts";
import type { OverflowQueue, QueueBudget } from "./overflow-queue.ts";
import type { PeerChannel } from "./peer-channel.ts";
import { Unacknowledged } from "./unacknowledged.ts";

/** Entries read at once while catching up, first and at the most: as many as the peer has shown to take. */
const firstPage = 50;
const maxPage = 500;
/** Milliseconds between two looks whether the peer has room again. */
const roomPause = 20;

/** What a subscription has besides its frame. */
export interface PeerSubscriptionOptions {
  /** For what is not in the journal and finds no room; without one the session decides. */
  readonly queue: OverflowQueue | undefined;
  /** Bytes that the unacknowledged deliveries of the session may take; what finds no room waits in the journal. */
  readonly unacknowledged: QueueBudget;
  /** Is told when it cannot go on. */
  readonly failed: (subscription: PeerSubscription, error: unknown) => void;
}

/**
 * One subscription of a peer. It is live, or it catches up: with retained values, with what its queue holds, and with the journal, from `since` or from where it was when
 * the peer had no more room or too many deliveries unacknowledged. It reads the journal up to what live subscribers have seen and then goes live in the same turn,
 * so there is neither a gap nor a double. Messages that are not in the journal (qos 0) pass at once in either state, as long as the peer has room.
 */
export class PeerSubscription {
  readonly frame: SubscribeFrame;
  readonly #channel: PeerChannel;
  readonly #failed: PeerSubscriptionOptions["failed"];
  readonly #live: Subscription;
  readonly #unacknowledged: Unacknowledged | undefined;
  /** Where messages that are not in the journal wait; without one the session decides. */
  readonly #queue: OverflowQueue | undefined;
  /** Retained values that are still to be handed over, by topic. */
  #retained: Map<string, RetainedValue> | undefined;
  #kept: DeliveryTerms | undefined;
  /** The newest offset when the subscription began. */
  readonly #firstOffset: number;
  /** Messages of qos 0 that were live before the subscription began, and come to the journal after `#firstOffset`. */
  #early: { readonly messages: Message[]; readonly arrived: () => boolean } | undefined;
  #after: number;
  #catchingUp: boolean;
  #working = false;
  #open = true;
  #wake: (() => void) | undefined;

  constructor(frame: SubscribeFrame, channel: PeerChannel, { queue, unacknowledged, failed }: PeerSubscriptionOptions) {
    const { office } = channel;
    this.frame = frame;
    this.#channel = channel;
    this.#queue = queue;
    this.#failed = failed;
    this.#unacknowledged = frame.qos > 0 ? new Unacknowledged(channel.redeliver, unacknowledged) : undefined;
    this.#firstOffset = office.last;
    this.#after = frame.since ?? this.#firstOffset;
    this.#catchingUp = frame.since !== undefined;
    if (this.#catchingUp) {
      const { messages, arrived } = office.onTheirWay(frame.topic);
      if (messages.length > 0) this.#early = { messages: [...messages], arrived };
    }
    if (!this.#catchingUp) office.retained(frame.topic, (message, offset) => this.#handOver(message, offset));
    this.#live = office.subscribe(frame.topic, (message, offset) => this.#take(message, offset));
    if (this.#catchingUp || this.#retained !== undefined) void this.#work();
  }

  /** The peer has that delivery. Returns false when it is none of this subscription's. */
  acknowledge(msgid: string, offset: number | undefined): boolean {
    if (!this.#unacknowledged?.acknowledge(msgid, offset)) return false;
    if (this.#catchingUp || this.#retained !== undefined) void this.#work();
    return true;
  }

  /** Sends again what has been unacknowledged for too long. */
  repeat(now: number): void {
    this.#unacknowledged?.repeat(now, this.#repeatOne);
    if (this.#catchingUp || this.#retained !== undefined) void this.#work(); // another subscription may have made room
  }

  readonly #repeatOne = (message: Message, offset: number): boolean => this.#channel.hasRoom() && this.#channel.send(message, offset, this.frame);

  close(): void {
    this.#open = false;
    this.#live.close();
    this.#unacknowledged?.clear();
    this.#queue?.clear();
    this.#retained = undefined;
    this.#wake?.();
  }

  /** A retained value, as the subscription begins: at once as long as there is room. */
  #handOver(message: Envelope, offset: number | undefined): void {
    if (this.#channel.isForInbox(message)) return;
    if (this.#retained === undefined && this.#freeSlots() > 0 && this.#channel.hasRoom()) this.#deliver(message as Message, offset, this.#asKept());
    else (this.#retained ??= new Map()).set(message.topic, { message, offset });
  }

  #take(message: Envelope, offset: number | undefined): void {
    if (this.#channel.isForInbox(message)) return;
    if (offset === undefined) {
      if (this.#queue === undefined && this.#retained === undefined) this.#channel.sendLive(message as Message, undefined, this.frame);
      else this.#takeUnstored(message as Message);
      return;
    }
    if (this.#catchingUp || offset <= this.#after) return;
    if (this.#retained === undefined && this.#freeSlots() > 0 && this.#channel.hasRoom()) {
      this.#after = offset;
      if (this.#channel.sendLive(message as Message, offset, this.frame)) this.#track(message as Message, offset);
      return;
    }
    this.#catchingUp = true; // it is in the journal: read from there when the peer has caught up
    void this.#work();
  }

  #takeUnstored(message: Message): void {
    const older = this.#retained?.get(message.topic);
    if (older !== undefined && message.retain) this.#retained!.delete(message.topic);
    if (!this.#channel.claim()) return;
    if (older !== undefined && !message.retain) { // it has to come before the newer one
      this.#retained!.delete(message.topic);
      this.#passOn(older.message as Message, older.offset);
    }
    this.#passOn(message, undefined);
  }

  #passOn(message: Message, offset: number | undefined): void {
    if (this.#queue === undefined || (this.#queue.size === 0 && this.#channel.hasRoom())) this.#deliver(message, offset);
    else {
      this.#channel.deliveries.handed.value++;
      this.#channel.deliveries.waiting++;
      if (!this.#queue.push(message, offset)) this.#channel.overflowed();
      else void this.#work();
    }
  }

  #deliver(message: Message, offset: number | undefined, terms: DeliveryTerms = this.frame): void {
    if (this.#channel.send(message, offset, terms)) this.#track(message, offset);
  }

  /** The terms of a retained value that is handed over as the subscription begins. */
  #asKept(): DeliveryTerms {
    const { topic, qos, binary } = this.frame;
    return (this.#kept ??= { topic, qos, binary, kept: true });
  }

  #track(message: Message, offset: number | undefined): void {
    if (offset !== undefined && message.qos > 0) this.#unacknowledged?.add(message, offset, this.#channel.clock.now());
  }

  /** Hands over what waits until nothing does. */
  async #work(): Promise<void> {
    if (this.#working) return;
    this.#working = true;
    let size = firstPage;
    let failures = 0;
    try {
      while (this.#open) {
        if (!this.#channel.hasRoom()) await this.#pause(roomPause);
        else if (this.#queue !== undefined && this.#queue.size > 0) this.#sendQueue(this.#queue);
        else if (this.#freeSlots() <= 0) return; // an acknowledgement starts it again
        else if (this.#retained !== undefined) this.#sendRetained(this.#retained);
        else if (!this.#catchingUp) return;
        else {
          try {
            size = await this.#readOn(size);
            failures = 0;
          } catch (error) {
            if (!(error instanceof BusbarError && error.retryable)) throw error;
            await this.#pause(retryDelay(failures++)); // such as a journal whose plugin is being restarted
          }
        }
      }
    } catch (error) {
      if (this.#open) this.#failed(this, error);
    } finally {
      this.#working = false;
    }
  }

  #freeSlots(): number {
    const { inFlight } = this.#channel;
    if (this.#unacknowledged === undefined) return maxPage;
    return this.#unacknowledged.hasRoom ? inFlight - this.#unacknowledged.size : 0;
  }

  #sendRetained(retained: Map<string, RetainedValue>): void {
    for (const [topic, { message, offset }] of retained) {
      if (!this.#open || this.#freeSlots() <= 0 || !this.#channel.hasRoom()) return;
      retained.delete(topic);
      this.#deliver(message as Message, offset, this.#asKept());
    }
    this.#retained = undefined;
  }

  #sendQueue(queue: OverflowQueue): void {
    while (queue.size > 0 && this.#channel.hasRoom()) {
      const { message, offset } = queue.shift()!;
      this.#channel.deliveries.waiting--;
      if (this.#channel.sendHanded(message, offset, this.frame)) this.#track(message, offset);
    }
  }

  /** Reads the next page of the journal, or goes live. Returns how many entries to ask for the next time. */
  async #readOn(size: number): Promise<number> {
    const { office } = this.#channel;
    if (this.#after >= office.last) {
      if (this.#early?.arrived() === false) await this.#pause(roomPause);
      else {
        this.#takePutOff();
        this.#catchingUp = false;
      }
      return size;
    }
    const { entries, until } = await office.journal!.read({ after: this.#after, limit: Math.min(this.#freeSlots(), size), pattern: this.frame.topic });
    if (!this.#open) return size;
    let sent = 0;
    while (sent < entries.length && this.#channel.hasRoom()) {
      const { message, offset } = entries[sent++]!;
      this.#after = offset;
      if (!this.#wasLive(message, offset) && !this.#channel.isForInbox(message)) this.#deliver(message as Message, offset);
    }
    if (sent < entries.length) return Math.max(1, sent); // the rest is read again when there is room: a stalled peer holds no page in memory
    this.#after = until;
    return Math.min(maxPage, size * 2);
  }

  /** Messages of qos 0 that are in the journal, as they are retained, passed at once when they were published, and came to the journal in the same order afterwards. */
  #wasLive(message: Envelope, offset: number): boolean {
    if (message.qos > 0 || offset <= this.#firstOffset) return false;
    const place = this.#early?.messages.findIndex(({ from, msgid }) => from === message.from && msgid === message.msgid) ?? -1; // the first: they come in order, and a msgid may come again at qos 0
    if (place >= 0) this.#early!.messages.splice(place, 1);
    return place < 0;
  }

  /** What was live before the subscription began and does not come to the journal while that refuses messages: it is handed over from memory. */
  #takePutOff(): void {
    if (this.#early === undefined) return;
    const { office } = this.#channel;
    for (const message of this.#early.messages) if (office.isPutOff(message)) (this.#retained ??= new Map()).set(message.topic, { message, offset: undefined });
    this.#early = undefined;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#channel.clock.after(ms, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }
}
