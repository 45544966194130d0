import type { Principal } from "../authority.ts";
import type { PrincipalBus } from "../delivery/create-bus.ts";
import { BusbarError } from "../errors.ts";
import type { SubscribeFrame } from "../frame.ts";
import { checkPattern, matches } from "../topic.ts";
import { OverflowQueue, type QueueBudget } from "./overflow-queue.ts";
import type { PeerChannel } from "./peer-channel.ts";
import { PeerSubscription } from "./peer-subscription.ts";
import { defaultBuffer, type SessionLimits } from "./sessions.ts";

/** The subscriptions of one session, by the peer's own name for each, or else by topic: subscribing to the same topic again replaces (MQTT 3.1.1 §3.8.4). */
export class PeerSubscriptions {
  readonly #channel: PeerChannel;
  readonly #limits: SessionLimits;
  readonly #all = new Map<string, PeerSubscription>();
  readonly #budget: QueueBudget;
  readonly #unacknowledged: QueueBudget;
  #principal: Principal | undefined;

  constructor(channel: PeerChannel) {
    this.#channel = channel;
    this.#limits = channel.options.limits ?? {};
    this.#budget = { left: this.#limits.buffer ?? defaultBuffer };
    this.#unacknowledged = { left: this.#limits.buffer ?? defaultBuffer };
  }

  /**
   * Begins what the peer asks for, after telling it so.
   * @throws {BusbarError} BAD_FRAME, FORBIDDEN, DUPLICATE_REF, OVERLOAD or UNKNOWN_OFFSET: nothing has changed then.
   */
  add(frame: SubscribeFrame, bus: PrincipalBus): void {
    const { topic, ref, since } = frame;
    const { office } = this.#channel;
    checkPattern(topic);
    checkLengths(frame, this.#limits);
    bus.checkSubscribe(topic);
    const key = keyOf(frame);
    const known = this.#all.get(key);
    if (known && ref !== undefined) throw new BusbarError("DUPLICATE_REF", `Cannot subscribe: the ref ${JSON.stringify(ref.slice(0, 80))} is in use`);
    const { subscriptions = 100 } = this.#limits;
    if (!known && this.#all.size >= subscriptions) throw new BusbarError("OVERLOAD", `Cannot subscribe: the session has ${subscriptions} subscriptions, the most it may have`);
    this.#checkResume(frame);
    this.#channel.say({ kind: "subscribed", topic, ref, offset: since ?? office.last, epoch: office.journal?.epoch });
    known?.close();
    const subscription = new PeerSubscription(frame, this.#channel, { queue: this.#queueFor(frame), unacknowledged: this.#unacknowledged, failed: this.#failed });
    if (this.#channel.open) this.#all.set(key, subscription);
    else subscription.close(); // what it was handed at once was too much for the peer
    this.#findCommands(bus.principal);
  }

  #checkResume({ since, epoch }: SubscribeFrame): void {
    const { journal } = this.#channel.office;
    const { first, last } = journal?.bounds() ?? { first: 1, last: 0 };
    if (epoch !== undefined && epoch !== journal?.epoch) throw new BusbarError("UNKNOWN_OFFSET", "Cannot resume: the offsets are of another journal than this one");
    if (since !== undefined && (since > last || since < first - 1)) throw new BusbarError("UNKNOWN_OFFSET", `Cannot resume after offset ${since}: the journal holds ${first} to ${last}`);
  }

  /** Who says nothing has the socket's buffer as the queue, unless what the listener says needs one of its own. */
  #queueFor({ overflow, limit }: SubscribeFrame): OverflowQueue | undefined {
    const { slowConsumer = "disconnect", queue = 1000 } = this.#limits;
    if (overflow === undefined && limit === undefined && (slowConsumer === "disconnect" || slowConsumer === "drop-newest")) return undefined;
    return new OverflowQueue({ policy: overflow ?? slowConsumer, limit: limit ?? queue, budget: this.#budget, dropped: this.#dropped });
  }

  readonly #dropped = (reason: string, count: number): void => this.#channel.deliveries.droppedWaiting(reason, count);

  readonly #failed = ({ frame }: PeerSubscription, error: unknown): void => {
    this.remove(frame);
    this.#channel.sayError(error, { ref: frame.ref });
  };

  /** Ends a subscription, if there is one of that name. */
  remove(frame: { readonly topic: string; readonly ref?: string | undefined }): void {
    const key = keyOf(frame);
    this.#all.get(key)?.close();
    this.#all.delete(key);
    if (this.#principal) this.#findCommands(this.#principal);
  }

  /** The peer has that delivery. */
  acknowledge(msgid: string, offset: number | undefined): void {
    for (const subscription of this.#all.values()) subscription.acknowledge(msgid, offset);
  }

  /** Finds the subscription on whose terms a device is sent its commands, where that takes one: of qos 1 or 2, with its own topic in it. */
  #findCommands(principal: Principal): void {
    if (this.#channel.options.commands !== "on-subscribe" || principal.user) return;
    this.#principal = principal;
    this.#channel.commandTerms = undefined;
    for (const { frame } of this.#all.values()) if (frame.qos > 0 && matches(frame.topic, `command/${principal.id}`)) this.#channel.commandTerms ??= frame;
  }

  /** Sends again what has been unacknowledged for too long. */
  repeat(now: number): void {
    for (const subscription of this.#all.values()) subscription.repeat(now);
  }

  /** Ends the subscriptions that the rights of `bus` do not cover any more, and tells the peer. */
  recheck(bus: PrincipalBus): void {
    for (const subscription of [...this.#all.values()]) {
      try {
        bus.checkSubscribe(subscription.frame.topic);
      } catch (error) {
        this.#failed(subscription, error);
      }
    }
  }

  close(): void {
    for (const subscription of this.#all.values()) subscription.close();
    this.#all.clear();
  }
}

/** What a name may have, in characters: it is kept for as long as the subscription. */
const longestRef = 256;

/** @throws {BusbarError} BAD_FRAME when the filter has too many levels, or the name is too long. */
function checkLengths({ topic, ref }: SubscribeFrame, { patternDepth = 32 }: SessionLimits): void {
  const levels = topic.split("/").length;
  if (levels > patternDepth) throw new BusbarError("BAD_FRAME", `Cannot subscribe: the topic filter has ${levels} levels, ${patternDepth} are allowed`);
  if (ref !== undefined && ref.length > longestRef) throw new BusbarError("BAD_FRAME", `Cannot subscribe: the ref has ${ref.length} characters, ${longestRef} are allowed`);
}

function keyOf(frame: { readonly topic: string; readonly ref?: string | undefined }): string {
  return frame.ref ?? frame.topic;
}
