import { ClientError } from "./client-error.ts";
import type { Envelope, Qos } from "./envelope.ts";
import { quiet } from "./quiet.ts";
import type { OpenOptions } from "./sealed.ts";

/** Is called with each message of a subscription, one after the other. A promise is waited for before the next one comes. */
export type MessageHandler = (message: Envelope) => unknown;

/** How messages are to come. */
export interface SubscribeOptions {
  /** With 1 or 2, what was published with at least 1 is sent again until the handler is through with it. Default 0; 1 with a `resume` name. */
  readonly qos?: Qos;
  /** Begin after this offset of the journal; 0 = with the oldest message there is. */
  readonly since?: number;
  /**
   * Where it goes on after a lost connection. `true` (default): after the last message that came. A name: the same, and also after a restart of the process: how far the handler has come is
   * kept in the client's store under this name. `false`: with what is new then.
   */
  readonly resume?: boolean | string;
  /** What the gateway does with qos 0 messages while this client reads too slowly (WIRE §2). */
  readonly overflow?: "drop-oldest" | "drop-newest" | "latest" | "disconnect";
  /** How many messages the gateway holds back meanwhile. */
  readonly limit?: number;
  /** With what sealed payloads of this subscription are opened. Default: as the client's options say. */
  readonly open?: OpenOptions;
  /** The journal does not hold any more what should have come next: `oldest` is where it goes on, undefined where that is unknown. */
  readonly onGap?: (gap: Gap) => void;
}

/** Messages that cannot be had any more. */
export interface Gap {
  /** The offset after which messages are missing. */
  readonly since: number;
  /** The oldest offset that can be had. */
  readonly oldest: number | undefined;
}

/** What was subscribed to. */
export interface Subscription {
  readonly pattern: string;
  /** Everything up to this offset was handled; undefined before the first message, unless the subscription was resumed. */
  readonly offset: number | undefined;
  /** Resolves once the gateway has agreed. @throws {ClientError} when it refuses (FORBIDDEN, BAD_FRAME), or the client is closed before. */
  readonly ready: Promise<void>;
  /** No message is handed over any more. */
  close(): void;
}

/** One delivery, and how many of its receivers are not through with it. */
export interface Delivery {
  readonly message: Envelope;
  receivers: number;
  /** Tells the gateway; undefined where it does not want to know. */
  readonly acknowledge: (() => void) | undefined;
}

/** What a subscriber needs of the rest of the client. */
export interface SubscriberHost {
  readonly after: (ms: number, callback: () => void) => () => void;
  /** The handler is through with everything up to that offset. */
  handled(subscriber: Subscriber, offset: number): void;
  /** There is room in the queue again. */
  room(subscriber: Subscriber): void;
  problem(error: ClientError): void;
}

/** Deliveries that may wait for a slow handler. */
const queueLimit = 10_000;
const firstRetry = 1000;
const longestRetry = 30_000;

/** One handler, and the messages that wait for it. */
export class Subscriber {
  readonly pattern: string;
  readonly options: SubscribeOptions;
  readonly ready: Promise<void>;
  readonly #resolve: () => void;
  readonly #reject: (error: ClientError) => void;
  readonly #handler: MessageHandler;
  readonly #host: SubscriberHost;
  #queue: Delivery[] = [];
  #head = 0;
  #busy = false;
  #open = true;
  #failures = 0;
  #cancelRetry: (() => void) | undefined;
  /** Everything up to this offset has come; undefined = nothing yet. */
  received: number | undefined;
  /** Everything up to this offset was handled. */
  handled: number | undefined;
  /** Which journal the offsets are of. */
  epoch: string | undefined;

  constructor(pattern: string, handler: MessageHandler, options: { readonly subscribe: SubscribeOptions; readonly host: SubscriberHost }) {
    this.pattern = pattern;
    this.options = options.subscribe;
    this.#handler = handler;
    this.#host = options.host;
    this.received = this.handled = options.subscribe.since;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.ready = quiet(promise);
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** Whether it wants what it has missed. */
  get resumes(): boolean {
    return this.options.resume !== false;
  }

  get name(): string | undefined {
    return typeof this.options.resume === "string" ? this.options.resume : undefined;
  }

  get qos(): Qos {
    return this.options.qos ?? (this.name === undefined ? 0 : 1);
  }

  /** Whether no more deliveries can wait. */
  get full(): boolean {
    return this.#queue.length - this.#head >= queueLimit;
  }

  agreed(): void {
    this.#resolve();
  }

  refused(error: ClientError): void {
    this.#reject(error);
  }

  /** Takes a delivery; it is handled when those before it are. */
  take(delivery: Delivery): void {
    this.#queue.push(delivery);
    if (!this.#busy) this.#work();
  }

  close(): void {
    this.#open = false;
    this.#cancelRetry?.();
    this.#queue = [];
    this.#head = 0;
    this.#reject(new ClientError("CLOSED", `The subscription to "${this.pattern}" was closed`));
  }

  #work(): void {
    this.#busy = true;
    while (this.#open && this.#head < this.#queue.length) {
      try {
        const result = this.#handler(this.#queue[this.#head]!.message);
        if (result instanceof Promise) {
          result.then(() => this.#through() && this.#work(), (error: unknown) => this.#failed(error));
          return;
        }
      } catch (error) {
        return this.#failed(error);
      }
      if (!this.#through()) return;
    }
    this.#busy = false;
  }

  /** One more is handled. Returns whether it goes on. */
  #through(): boolean {
    if (!this.#open) return false;
    const delivery = this.#queue[this.#head++]!;
    this.#failures = 0;
    const { offset } = delivery.message;
    if (offset !== undefined && offset > (this.handled ?? -1)) {
      this.handled = offset;
      this.#host.handled(this, offset);
    }
    if (--delivery.receivers === 0) delivery.acknowledge?.();
    if (this.#head === this.#queue.length || this.#head >= queueLimit) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
    if (this.#queue.length - this.#head === queueLimit / 2) this.#host.room(this);
    return true;
  }

  /** A message of qos 0 is skipped; any other is handed over again, as nobody could acknowledge it. */
  #failed(error: unknown): void {
    if (!this.#open) return;
    const { message } = this.#queue[this.#head]!;
    this.#host.problem(new ClientError("HANDLER", `A handler of "${this.pattern}" failed on a message of ${message.topic}`, { cause: error }));
    const again = message.qos > 0 && message.offset !== undefined && this.qos > 0;
    if (!again) {
      if (this.#through()) this.#work();
      return;
    }
    this.#cancelRetry = this.#host.after(Math.min(longestRetry, firstRetry * 2 ** Math.min(this.#failures++, 10)), () => this.#work());
  }
}
