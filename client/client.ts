import { canonicalJson } from "./canonical-json.ts";
import { createChanges, type Changes, type ChangesOptions } from "./changes.ts";
import { ClientError } from "./client-error.ts";
import { checkOptions, type ClientOptions, type CheckedOptions } from "./client-options.ts";
import { CommandDesk, type CommandHandler } from "./command-desk.ts";
import type { WireFrame } from "./connection.ts";
import { formatPayload, readEnvelope, writeDown, type Draft, type Outgoing, type Receipt } from "./envelope.ts";
import { Feeds } from "./feeds.ts";
import { Line, type ClientState } from "./line.ts";
import { Listeners } from "./listeners.ts";
import { createMint } from "./mint.ts";
import { createOpening, openingHandler, type OpenMessage } from "./opening.ts";
import { Outbox } from "./outbox.ts";
import { PublishOrder } from "./publish-order.ts";
import { quiet } from "./quiet.ts";
import { Requests, type Answer, type CommandDraft, type RequestOptions } from "./requests.ts";
import { sealDraft } from "./seal-draft.ts";
import { StoreQueue } from "./store-queue.ts";
import type { MessageHandler, SubscribeOptions, Subscription } from "./subscription.ts";

/** What `on` tells of. */
export interface ClientEvents {
  /** `retryIn`: milliseconds to the next attempt when offline. `error`: why it is offline or closed. */
  readonly state: readonly [state: ClientState, change: { readonly retryIn?: number | undefined; readonly error?: ClientError | undefined }];
  /** Something went wrong that no promise tells of: a handler failed, the store, a subscription was refused. */
  readonly problem: readonly [error: ClientError];
  /** A message will not arrive: the buffer was full, it has expired, or the gateway refuses it for good. */
  readonly dropped: readonly [message: Omit<Outgoing, "payload">, error: ClientError];
}

/** Counters since the client was made. */
export interface ClientCounts {
  /** Messages in the buffer: published, and neither acknowledged nor given up. */
  readonly buffered: number;
  /** Messages sent, those that were sent again included. */
  readonly sent: number;
  /** Messages of qos ≥ 1 that the gateway has acknowledged. */
  readonly acknowledged: number;
  /** Messages that were let go of. */
  readonly dropped: number;
  /** Times that it was online. */
  readonly connections: number;
  /** Deliveries of qos 0 that found no room before a slow handler. */
  readonly missed: number;
}

/** A device, or an app, that speaks with a gateway. It connects by itself, and comes back by itself, until it is closed. */
export interface Client {
  readonly id: string;
  readonly state: ClientState;
  /** Resolves when it is online, at once if it is. @throws {ClientError} when it is closed for good. */
  readonly connected: Promise<void>;
  /** Listens. Returns the function that ends it. */
  on<Name extends keyof ClientEvents>(name: Name, listener: (...values: ClientEvents[Name]) => void): () => void;
  /**
   * Sends a message: now, or when it is online. With qos 1 or 2 (default 1) the promise resolves when the gateway has stored it, however often the connection breaks in between; with qos 0 when it was
   * handed to the connection. Messages arrive in the order in which they were published. A msgid that is in the buffer already is the same message.
   * @throws {ClientError} BAD_FRAME, TOO_LARGE, FORBIDDEN: it will never be taken. OVERLOAD, DROPPED: the buffer is full. EXPIRED. CLOSED. A promise that nobody waits for may be left alone:
   * `dropped` tells of it.
   */
  publish(draft: Draft): Promise<Receipt>;
  /** Resolves when everything published so far, with qos ≥ 1, is in the store, where there is one: it is sent then even if this process ends now. @throws {ClientError} IO when the store has failed. */
  saved(): Promise<void>;
  /** Sends values only when they change. `type`: default `status`. */
  changes(type?: string, options?: ChangesOptions): Changes;
  /**
   * Receives messages whose topic matches an MQTT filter, one after the other. Patterns of one client may cover each other, but not merely overlap.
   * @throws {TypeError} when it overlaps with another one that it neither covers nor is covered by.
   */
  subscribe(pattern: string, handler: MessageHandler, options?: SubscribeOptions): Subscription;
  /** Carries out the commands to this device, each once, also if it comes again after a restart (with a store). There is one handler; another call replaces it. */
  onCommand(handler: CommandHandler): void;
  /**
   * Gives a device a command and waits for its answer. The token must allow to subscribe to `ack/<id>`.
   * @throws {ClientError} TIMEOUT when the device has not answered in time; FORBIDDEN; CLOSED. @throws the signal's reason.
   */
  request(command: CommandDraft, options?: RequestOptions): Promise<Answer>;
  readonly counts: ClientCounts;
  /** Tries to connect now instead of when the pause is over. */
  retryNow(): void;
  /** Ends it. `drain`: first waits until the buffer is empty, at most `timeout` ms (default 10,000). What is left is rejected with CLOSED; what is in the store is sent by the next client that has it. */
  close(options?: { readonly drain?: boolean; readonly timeout?: number }): Promise<void>;
}

/**
 * Makes a client and connects it.
 * @throws {TypeError} when the id is none, or an option has a value that it may not have.
 */
export function createClient(options: ClientOptions): Client {
  return new GatewayClient(checkOptions(options));
}

/** The one implementation of Client: wires its parts together. */
class GatewayClient implements Client {
  readonly id: string;
  readonly #options: CheckedOptions;
  readonly #mint = createMint();
  readonly #listeners = new Listeners<ClientEvents>();
  readonly #store: StoreQueue | undefined;
  readonly #line: Line;
  readonly #outbox: Outbox;
  readonly #order: PublishOrder;
  readonly #open: OpenMessage | undefined;
  readonly #feeds: Feeds;
  readonly #desk: CommandDesk;
  readonly #requests: Requests;
  readonly #loaded: Promise<void>;
  readonly #changes = new Set<Changes>();
  #online = waiter();
  #dropped = 0;
  #connections = 0;
  #closing: Promise<void> | undefined;
  #closed: ClientError | undefined;

  constructor(options: CheckedOptions) {
    this.#options = options;
    const { id, clock, store, batch, buffer, window, frameLimit, commands } = options;
    this.id = id;
    const problem = (error: ClientError): void => this.#listeners.tell("problem", error);
    this.#store = store === undefined ? undefined : new StoreQueue(store, (cause) => problem(new ClientError("IO", "The store cannot be written: what is published from now on does not survive this process", { cause })));
    this.#outbox = new Outbox({
      clock, buffer, batch, window, frameLimit, store: this.#store,
      dropped: ({ payload: _, ...message }, error) => {
        this.#dropped++;
        this.#listeners.tell("dropped", message, error);
      },
    });
    this.#order = new PublishOrder((message) => (this.#store === undefined ? this.#outbox.add(message) : this.#loaded.then(() => this.#outbox.add(message)))); // after what an earlier run has left
    this.#open = options.open && createOpening(options.open);
    this.#feeds = new Feeds({ after: clock.after, store: this.#store, problem });
    this.#desk = new CommandDesk({ clock, store: this.#store, problem, open: this.#open, ...commands });
    this.#requests = new Requests({ id, clock, mint: this.#mint, publish: (draft) => this.publish(draft), subscribe: (pattern, handler, how) => this.subscribe(pattern, handler, how) });
    this.#line = this.#createLine();
    this.#loaded = this.#load();
  }

  get state(): ClientState {
    return this.#line.state;
  }

  get connected(): Promise<void> {
    return this.#online.promise;
  }

  get counts(): ClientCounts {
    return { buffered: this.#outbox.size, ...this.#outbox.traffic, dropped: this.#dropped, connections: this.#connections, missed: this.#feeds.missed };
  }

  on<Name extends keyof ClientEvents>(name: Name, listener: (...values: ClientEvents[Name]) => void): () => void {
    return this.#listeners.on(name, listener);
  }

  publish(draft: Draft): Promise<Receipt> {
    let message: Outgoing;
    try {
      if (this.#closed) throw this.#closed;
      message = writeDown(draft, { msgid: this.#mint, now: this.#options.clock.now() });
      if (this.#options.signs) canonicalJson([message.msgid, JSON.parse(message.payload)]); // what could not be signed would be in the way of all that follows
    } catch (error) {
      return quiet(Promise.reject(error as Error));
    }
    return quiet(this.#order.enter(draft.seal === undefined ? message : sealDraft(message, { seal: draft.seal, from: this.id })));
  }

  async saved(): Promise<void> {
    await this.#order.settled;
    await this.#loaded;
    await this.#store?.saved();
    if (this.#store?.broken) throw new ClientError("IO", "The store cannot be written");
  }

  changes(type = "status", options: ChangesOptions = {}): Changes {
    const changes = createChanges(type, { ...options, clock: this.#options.clock, publish: (draft) => this.publish(draft) });
    this.#changes.add(changes);
    return changes;
  }

  subscribe(pattern: string, handler: MessageHandler, options: SubscribeOptions = {}): Subscription {
    if (this.#closed) throw this.#closed;
    const open = options.open === undefined ? this.#open : createOpening(options.open);
    return this.#feeds.add(pattern, open === undefined ? handler : openingHandler(handler, { open, problem: (error) => this.#listeners.tell("problem", error) }), options);
  }

  onCommand(handler: CommandHandler): void {
    this.#desk.handle(handler);
  }

  request(command: CommandDraft, options?: RequestOptions): Promise<Answer> {
    return this.#requests.request(command, options);
  }

  retryNow(): void {
    this.#line.open();
  }

  close({ drain = false, timeout = 10_000 }: { readonly drain?: boolean; readonly timeout?: number } = {}): Promise<void> {
    return (this.#closing ??= this.#close(drain ? timeout : 0));
  }

  async #load(): Promise<void> {
    try {
      const values = await this.#options.store?.load();
      if (values !== undefined) for (const part of [this.#outbox, this.#feeds, this.#desk]) part.restore(values);
    } catch (cause) {
      this.#listeners.tell("problem", new ClientError("IO", "The store cannot be read: what an earlier run has left in it is not sent", { cause }));
    }
    queueMicrotask(() => this.#line.open()); // whoever made the client listens by then
  }

  #createLine(): Line {
    const { will, clock, ...options } = this.#options;
    const { url, id, token, transport, heartbeat, reconnect, takeover } = options;
    const greeting = will === undefined ? {} : { will: { from: will.from ?? id, ...will, payload: JSON.parse(formatPayload(will.payload)) as unknown } };
    return new Line({ url, id, token, transport, heartbeat, reconnect, takeover, clock, greeting, unanswered: () => this.#outbox.unanswered }, {
      state: (state, retryIn, error) => this.#turned(state, retryIn, error),
      online: (connection) => {
        this.#connections++;
        this.#desk.online(connection);
        this.#feeds.online(connection);
        this.#outbox.online(connection);
        this.#online.resolve();
      },
      frame: (frame) => this.#hear(frame),
      lost: (code) => this.#lost(code),
    });
  }

  #turned(state: ClientState, retryIn: number | undefined, error: ClientError | undefined): void {
    if (state === "closed") {
      this.#closed = error;
      this.#online.reject(error!);
      this.#end(error!);
    }
    this.#listeners.tell("state", state, { retryIn, error });
  }

  #lost(code: number): void {
    this.#outbox.offline();
    this.#feeds.offline();
    this.#desk.offline();
    this.#online = waiter();
    if (code === 4029) this.#outbox.slowDown();
    if (code === 1009 || code === 4400) this.#outbox.suspect(new ClientError(code === 1009 ? "TOO_LARGE" : "BAD_FRAME", "The gateway ends the connection on this message", { closeCode: code }));
  }

  #hear(frame: WireFrame): void {
    const { type, msgid } = frame;
    if (typeof frame["from"] === "string") return this.#receive(frame);
    if (type === "ack" && typeof msgid === "string") return this.#outbox.acknowledge(msgid, typeof frame["offset"] === "number" ? frame["offset"] : undefined);
    if (this.#feeds.answer(frame) || type !== "error") return;
    const error = refusalOf(frame);
    if (typeof msgid === "string") this.#outbox.refused(msgid, error);
    else if (error.code === "BAD_FRAME") this.#outbox.suspect(error);
    else this.#listeners.tell("problem", error);
  }

  #receive(frame: WireFrame): void {
    const message = readEnvelope(frame, (error) => this.#listeners.tell("problem", error));
    if (message === undefined) return;
    const { type, to } = message;
    const { id } = this;
    if (type === "command" && (to === id || to === "all" || to.startsWith(`${id}/`) || to.startsWith("group/"))) this.#desk.take(message);
    this.#feeds.deliver(message);
  }

  async #close(patience: number): Promise<void> {
    await this.#loaded;
    if (patience > 0) await this.#order.settled;
    if (patience > 0 && !this.#closed) {
      let cancel = (): void => {};
      await Promise.race([this.#outbox.drained(), new Promise<void>((resolve) => (cancel = this.#options.clock.after(patience, resolve)))]);
      cancel();
    }
    this.#line.close(new ClientError("CLOSED", "The client was closed"), true);
    await this.#store?.close();
  }

  #end(error: ClientError): void {
    for (const changes of this.#changes) changes.close();
    this.#requests.close(error);
    this.#outbox.close(error);
    this.#feeds.close();
    this.#desk.close();
    void this.close();
  }
}

const wireCodes: ReadonlySet<string> = new Set(["BAD_FRAME", "FORBIDDEN", "OVERLOAD", "TOO_LARGE", "DUPLICATE_REF", "UNKNOWN_OFFSET"]);

function refusalOf({ code, message }: WireFrame): ClientError {
  return new ClientError(typeof code === "string" && wireCodes.has(code) ? (code as "OVERLOAD") : "OVERLOAD", `The gateway refuses: ${String(message)}`);
}

function waiter(): { readonly promise: Promise<void>; readonly resolve: () => void; readonly reject: (error: ClientError) => void } {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  return { promise: quiet(promise), resolve, reject };
}
