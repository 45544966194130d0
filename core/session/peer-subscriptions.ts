import type { PrincipalBus } from "../delivery/create-bus.ts";
import { BusbarError } from "../errors.ts";
import type { SubscribeFrame } from "../frame.ts";
import { checkPattern } from "../topic.ts";
import { PeerSubscription, type SubscriptionHost } from "./peer-subscription.ts";

/** The subscriptions of one session, by the peer's own name for each, or else by topic: subscribing to the same topic again replaces (MQTT 3.1.1 §3.8.4). */
export class PeerSubscriptions {
  readonly #host: SubscriptionHost;
  readonly #limit: number;
  readonly #all = new Map<string, PeerSubscription>();

  /** `limit`: subscriptions at once. */
  constructor(host: SubscriptionHost, limit: number) {
    this.#host = host;
    this.#limit = limit;
  }

  /**
   * Checks what the peer asks for. Returns what is to be done once the peer has been told.
   * @throws {BusbarError} BAD_FRAME, FORBIDDEN, DUPLICATE_REF, OVERLOAD or UNKNOWN_OFFSET: nothing has changed then.
   */
  admit(frame: SubscribeFrame, bus: PrincipalBus): () => void {
    checkPattern(frame.topic);
    bus.checkSubscribe(frame.topic);
    const key = keyOf(frame);
    const known = this.#all.get(key);
    if (known && frame.ref !== undefined) throw new BusbarError("DUPLICATE_REF", `Cannot subscribe: the ref ${JSON.stringify(frame.ref.slice(0, 80))} is in use`);
    if (!known && this.#all.size >= this.#limit) throw new BusbarError("OVERLOAD", `Cannot subscribe: the session has ${this.#limit} subscriptions, the most it may have`);
    if (frame.since !== undefined) {
      const { first, last } = this.#host.office.journal?.bounds() ?? { first: 1, last: 0 };
      if (frame.since > last || frame.since < first - 1) throw new BusbarError("UNKNOWN_OFFSET", `Cannot resume after offset ${frame.since}: the journal holds ${first} to ${last}`);
    }
    return () => {
      known?.close();
      const subscription = new PeerSubscription(frame, this.#host);
      if (this.#host.open) this.#all.set(key, subscription);
      else subscription.close(); // its retained values were too many for the peer
    };
  }

  /** Ends a subscription, if there is one of that name. */
  remove(frame: { readonly topic: string; readonly ref?: string | undefined }): void {
    const key = keyOf(frame);
    this.#all.get(key)?.close();
    this.#all.delete(key);
  }

  /** The peer has that delivery. */
  acknowledge(msgid: string): void {
    for (const subscription of this.#all.values()) subscription.acknowledge(msgid);
  }

  /** Sends again what has been unacknowledged for too long. */
  repeat(now: number): void {
    for (const subscription of this.#all.values()) subscription.repeat(now);
  }

  /** Ends the subscriptions that the rights of `bus` do not cover any more, telling each and why to `lost`. */
  recheck(bus: PrincipalBus, lost: (error: unknown, ref: string | undefined) => void): void {
    for (const { frame } of [...this.#all.values()]) {
      try {
        bus.checkSubscribe(frame.topic);
      } catch (error) {
        this.remove(frame);
        lost(error, frame.ref);
      }
    }
  }

  close(): void {
    for (const subscription of this.#all.values()) subscription.close();
    this.#all.clear();
  }
}

function keyOf(frame: { readonly topic: string; readonly ref?: string | undefined }): string {
  return frame.ref ?? frame.topic;
}
