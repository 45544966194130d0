import { ClientError } from "./client-error.ts";
import type { Connection, WireFrame } from "./connection.ts";
import type { Envelope, Qos } from "./envelope.ts";
import type { StoreQueue } from "./store-queue.ts";
import { Subscriber, type Delivery, type MessageHandler, type SubscribeOptions, type SubscriberHost, type Subscription } from "./subscription.ts";
import { covers, matches, overlaps } from "./topic-pattern.ts";

/** One subscription on the wire, and those in the client that it serves. */
interface Feed {
  readonly pattern: string;
  readonly subscribers: Set<Subscriber>;
  /** Its name on the connection; undefined while there is none. */
  ref: string | undefined;
  /** The newest offset when it began, where it began with what is new: retained values come from before it. */
  base: number | undefined;
  /** The quality it was asked for with. */
  qos: Qos;
  agreed: boolean;
  /** Nothing is taken until a slow handler has caught up. */
  choked: boolean;
}

/** Who gets the messages of one topic. */
interface Route {
  readonly feed: Feed | undefined;
  readonly subscribers: readonly Subscriber[];
}

/** Where a named subscription has come to. */
interface Place {
  readonly offset: number;
  readonly epoch?: string;
}

/** What feeds need. */
export interface FeedsOptions {
  readonly after: SubscriberHost["after"];
  readonly store: StoreQueue | undefined;
  readonly problem: (error: ClientError) => void;
}

const storePrefix = "place/";
const retryAfter = 2000;
/** Topics whose receivers are remembered. */
const maxRoutes = 10_000;

/**
 * The subscriptions of a client. Deliveries do not say which subscription they belong to, so patterns of which one covers the other share one on the wire: then offsets come in order, and the
 * highest one that came says what has come.
 */
export class Feeds implements SubscriberHost {
  readonly #options: FeedsOptions;
  #feeds: Feed[] = [];
  readonly #places = new Map<string, Place>();
  #connection: Connection | undefined;
  #count = 0;
  /** By topic; made anew whenever a subscription comes or goes. */
  #routes = new Map<string, Route>();
  #missed = 0;
  readonly after: SubscriberHost["after"];
  readonly problem: SubscriberHost["problem"];

  constructor(options: FeedsOptions) {
    this.#options = options;
    this.after = options.after;
    this.problem = options.problem;
  }

  /** Messages that are not in the journal and found no room before a slow handler. */
  get missed(): number {
    return this.#missed;
  }

  /** Takes back how far the named subscriptions of an earlier run have come. */
  restore(values: ReadonlyMap<string, unknown>): void {
    for (const [key, place] of values) if (key.startsWith(storePrefix)) this.#places.set(key.slice(storePrefix.length), place as Place);
    for (const { subscribers } of this.#feeds) for (const subscriber of subscribers) this.#resume(subscriber);
  }

  /** See `Client.subscribe`. */
  add(pattern: string, handler: MessageHandler, options: SubscribeOptions): Subscription {
    const subscriber = new Subscriber(pattern, handler, { subscribe: options, host: this });
    const clash = this.#feeds.find((feed) => overlaps(feed.pattern, pattern) && !covers(feed.pattern, pattern) && !covers(pattern, feed.pattern));
    if (clash) throw new TypeError(`Cannot subscribe to "${pattern}": it overlaps with "${clash.pattern}", and neither covers the other; subscribe to a pattern that covers both`);
    if (subscriber.name !== undefined && this.#subscribers().some(({ name }) => name === subscriber.name)) throw new TypeError(`Cannot subscribe to "${pattern}": the name "${subscriber.name}" is in use`);
    this.#resume(subscriber);
    const wider = this.#feeds.find((feed) => covers(feed.pattern, pattern));
    if (wider) this.#join(wider, subscriber);
    else this.#open(pattern, subscriber);
    return {
      pattern,
      ready: subscriber.ready,
      get offset() {
        return subscriber.handled;
      },
      close: () => this.#leave(subscriber),
    };
  }

  online(connection: Connection): void {
    this.#connection = connection;
    for (const feed of this.#feeds) this.#subscribe(feed);
  }

  offline(): void {
    this.#connection = undefined;
    for (const feed of this.#feeds) feed.ref = undefined;
  }

  /** An envelope came. */
  deliver(message: Envelope): void {
    const { feed, subscribers } = this.#route(message.topic);
    if (feed?.ref === undefined) return;
    const { offset, qos } = message;
    const connection = this.#connection;
    const tracked = offset !== undefined && qos > 0 && feed.qos > 0 && connection !== undefined;
    const delivery: Delivery = { message, receivers: 0, acknowledge: tracked ? () => this.#connection === connection && connection.send({ type: "ack", msgid: message.msgid, offset }) : undefined };
    const takers = subscribers.filter((subscriber) => this.#wants(subscriber, feed, message));
    delivery.receivers = takers.length;
    if (takers.length === 0 && tracked && !feed.choked && subscribers.every(({ handled }) => offset <= (handled ?? 0))) delivery.acknowledge?.(); // it was repeated although it was handled
    for (const subscriber of takers) subscriber.take(delivery);
  }

  /** Takes an answer to a subscription. Returns false when it is none. */
  answer(frame: WireFrame): boolean {
    const feed = this.#feeds.find(({ ref }) => ref !== undefined && ref === frame["ref"]);
    if (feed === undefined) return frame.type === "subscribed" || frame.type === "unsubscribed" || typeof frame["ref"] === "string";
    if (frame.type === "subscribed") this.#agreed(feed, frame);
    else if (frame.type === "error") this.#refused(feed, frame);
    return true;
  }

  handled(subscriber: Subscriber, offset: number): void {
    if (subscriber.name !== undefined) this.#options.store?.put(storePrefix + subscriber.name, { offset, ...(subscriber.epoch === undefined ? {} : { epoch: subscriber.epoch }) });
  }

  room(subscriber: Subscriber): void {
    const feed = this.#feeds.find(({ subscribers }) => subscribers.has(subscriber));
    if (!feed?.choked || [...feed.subscribers].some(({ full }) => full)) return;
    feed.choked = false;
    this.#subscribe(feed);
  }

  close(): void {
    for (const subscriber of this.#subscribers()) subscriber.close();
    this.#feeds = [];
  }

  #subscribers(): readonly Subscriber[] {
    return this.#feeds.flatMap(({ subscribers }) => [...subscribers]);
  }

  #route(topic: string): Route {
    const known = this.#routes.get(topic);
    if (known) return known;
    const feed = this.#feeds.find(({ pattern }) => matches(pattern, topic));
    const route: Route = { feed, subscribers: feed === undefined ? [] : [...feed.subscribers].filter(({ pattern }) => matches(pattern, topic)) };
    if (this.#routes.size >= maxRoutes) this.#routes.clear();
    this.#routes.set(topic, route);
    return route;
  }

  #resume(subscriber: Subscriber): void {
    const place = subscriber.name === undefined ? undefined : this.#places.get(subscriber.name);
    if (place === undefined || (subscriber.handled ?? -1) >= place.offset) return;
    subscriber.received = subscriber.handled = place.offset;
    subscriber.epoch = place.epoch;
  }

  #join(feed: Feed, subscriber: Subscriber): void {
    this.#routes.clear();
    const place = placeOf(feed)?.received;
    feed.subscribers.add(subscriber);
    if (feed.ref === undefined) return;
    if (subscriber.qos > feed.qos || (subscriber.received !== undefined && subscriber.received < (place ?? Number.POSITIVE_INFINITY))) {
      this.#unsubscribe(feed); // it wants what has passed already, or wants it safer
      this.#subscribe(feed);
    } else {
      subscriber.received ??= place;
      if (feed.agreed) subscriber.agreed();
    }
  }

  /** A feed for a new pattern takes over what it covers. */
  #open(pattern: string, subscriber: Subscriber): void {
    const feed: Feed = { pattern, subscribers: new Set(), ref: undefined, base: undefined, qos: 0, agreed: false, choked: false };
    this.#routes.clear();
    const covered = this.#feeds.filter((other) => covers(pattern, other.pattern));
    for (const other of covered) {
      this.#unsubscribe(other);
      for (const one of other.subscribers) feed.subscribers.add(one);
      feed.choked ||= other.choked;
    }
    this.#feeds = [...this.#feeds.filter((other) => !covered.includes(other)), feed];
    feed.subscribers.add(subscriber);
    if (!feed.choked) this.#subscribe(feed);
  }

  #leave(subscriber: Subscriber): void {
    subscriber.close();
    this.#routes.clear();
    const feed = this.#feeds.find(({ subscribers }) => subscribers.delete(subscriber));
    if (feed === undefined || feed.subscribers.size > 0) return;
    this.#feeds = this.#feeds.filter((other) => other !== feed);
    this.#unsubscribe(feed);
  }

  #subscribe(feed: Feed): void {
    if (this.#connection === undefined || feed.choked || feed.subscribers.size === 0) return;
    const all = [...feed.subscribers];
    const from = placeOf(feed);
    const { overflow, limit } = all.find(({ options }) => options.overflow !== undefined)?.options ?? {};
    feed.ref = `s${++this.#count}`;
    feed.base = undefined;
    feed.agreed = false;
    feed.qos = all.reduce<Qos>((highest, { qos }) => (qos > highest ? qos : highest), 0);
    this.#connection.send({
      type: "subscribe", topic: feed.pattern, qos: feed.qos, ref: feed.ref,
      ...(from === undefined ? {} : { since: from.received }), ...(from?.epoch === undefined ? {} : { epoch: from.epoch }),
      ...(overflow === undefined ? {} : { overflow }), ...(limit === undefined ? {} : { limit }),
    });
  }

  #unsubscribe(feed: Feed): void {
    if (feed.ref !== undefined) this.#connection?.send({ type: "unsubscribe", topic: feed.pattern, ref: feed.ref });
    feed.ref = undefined;
  }

  #agreed(feed: Feed, { offset, epoch }: WireFrame): void {
    feed.agreed = true;
    const fresh = placeOf(feed) === undefined && typeof offset === "number";
    if (fresh) feed.base = offset;
    for (const subscriber of feed.subscribers) {
      if (fresh) subscriber.received = offset;
      if (typeof epoch === "string") subscriber.epoch = epoch;
      subscriber.agreed();
    }
  }

  #refused(feed: Feed, { code, message, oldest }: WireFrame): void {
    feed.ref = undefined;
    if (code === "UNKNOWN_OFFSET") return this.#gap(feed, typeof oldest === "number" ? oldest : undefined);
    const error = new ClientError(code === "FORBIDDEN" || code === "BAD_FRAME" ? code : "OVERLOAD", `Cannot subscribe to "${feed.pattern}": ${String(message)}`);
    this.problem(error);
    if (!error.retryable) for (const subscriber of feed.subscribers) subscriber.refused(error); // it is asked for again after the next login: rights change
    else this.after(retryAfter, () => feed.ref === undefined && this.#feeds.includes(feed) && this.#subscribe(feed));
  }

  /** What should have come next is gone, or the journal is another one: it goes on with the oldest there is. */
  #gap(feed: Feed, oldest: number | undefined): void {
    const since = placeOf(feed)?.received ?? 0;
    for (const subscriber of feed.subscribers) {
      subscriber.epoch = undefined;
      subscriber.received = subscriber.handled = oldest === undefined ? undefined : oldest - 1;
      try {
        subscriber.options.onGap?.({ since, oldest });
      } catch (error) {
        this.problem(new ClientError("HANDLER", `onGap of "${subscriber.pattern}" failed`, { cause: error }));
      }
    }
    this.#subscribe(feed);
  }

  /** Whether a subscriber has not had that message; remembers that it has it now. */
  #wants(subscriber: Subscriber, feed: Feed, { offset, retain }: Envelope): boolean {
    if (offset === undefined) {
      if (subscriber.full) this.#missed++;
      return !subscriber.full;
    }
    if (retain && feed.base !== undefined && offset <= feed.base) return true;
    if (feed.choked || offset <= (subscriber.received ?? -1)) return false;
    if (subscriber.full) {
      feed.choked = true; // what is in the journal is fetched from there later
      this.#unsubscribe(feed);
      return false;
    }
    subscriber.received = offset;
    return true;
  }
}

/** The subscriber of a feed that wants the oldest messages; undefined where all want what is new. */
function placeOf({ subscribers }: Feed): { readonly received: number; readonly epoch: string | undefined } | undefined {
  let oldest: { received: number; epoch: string | undefined } | undefined;
  for (const { received, epoch, resumes, options } of subscribers) {
    if (received === undefined || !(resumes || received === options.since)) continue;
    if (oldest === undefined || received < oldest.received) oldest = { received, epoch };
  }
  return oldest;
}
