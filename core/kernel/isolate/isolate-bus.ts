import type { Bus, ConsumeOptions, Delivery, Reader, ReaderStatus, Receipt, SubscribeOptions, Subscription } from "../../bus.ts";
import { createMessage, createMinter, type Draft, type Envelope } from "../../envelope.ts";
import { BusbarError } from "../../errors.ts";
import type { Entry } from "../../journal.ts";
import type { Log } from "../../log.ts";
import { checkPattern } from "../../topic.ts";
import type { BorderMessage } from "./batch.ts";
import { packEnvelope, unpackDelivered } from "./border-envelope.ts";
import { packError, unpackError } from "./border-error.ts";
import type { Link } from "./link.ts";
import { Window } from "./window.ts";

interface Call {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

interface Subscriber {
  readonly handler: (message: Envelope, offset: number | undefined) => void | Promise<void>;
  readonly onClose: ((reason: string) => void) | undefined;
  /** The last delivery that its handler has not settled yet. */
  turn: Promise<void> | undefined;
}

interface Consumer {
  readonly handler: (batch: readonly Entry[], delivery: Delivery) => Promise<void>;
  readonly ended: () => void;
  status: ReaderStatus;
  abort: AbortController | undefined;
}

/**
 * The bus as a plugin in an isolate has it. What is published is on its way when `publish` returns, not seen by everybody yet; otherwise it is the bus of every plugin. What the gateway
 * has not taken counts against a window, and waits here when that is full.
 */
export class IsolateBus implements Bus {
  readonly #link: Link;
  readonly #log: Log;
  readonly #window: Window;
  readonly #mint = createMinter();
  readonly #calls = new Map<number, Call>();
  readonly #subscribers = new Map<number, Subscriber>();
  readonly #consumers = new Map<number, Consumer>();
  #next = 0;

  constructor(link: Link, { window, log }: { readonly window: Window; readonly log: Log }) {
    this.#link = link;
    this.#window = window;
    this.#log = log;
  }

  publish(draft: Draft): boolean {
    const message = createMessage(draft);
    this.#window.send(["publish"], packEnvelope(message));
    return this.#window.open;
  }

  deliver(draft: Draft): Promise<Receipt> {
    return this.#call("deliver", draft) as Promise<Receipt>;
  }

  async request(draft: Draft, { signal }: { readonly signal: AbortSignal }): Promise<Envelope> {
    signal.throwIfAborted();
    const id = this.#next + 1;
    const answer = this.#call("request", draft);
    const onAbort = (): void => {
      this.#link.send(["abort", id]);
      this.#settle(id, (call) => call.reject(signal.reason));
    };
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      return (await answer) as Envelope;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  subscribe(pattern: string, handler: Subscriber["handler"], options: SubscribeOptions = {}): Subscription {
    checkPattern(pattern);
    const id = ++this.#next;
    const { onClose, ...plain } = options;
    this.#subscribers.set(id, { handler, onClose, turn: undefined });
    this.#link.send(["subscribe", id, pattern, plain]);
    return {
      pattern,
      close: () => {
        if (this.#subscribers.delete(id)) this.#link.send(["unsubscribe", id]);
      },
    };
  }

  consume(name: string, pattern: string | readonly string[], handler: Consumer["handler"], options: ConsumeOptions = {}): Reader {
    for (const one of [pattern].flat()) checkPattern(one);
    const id = ++this.#next;
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    const consumer: Consumer = { handler, ended: resolve, status: { name, lanes: [] }, abort: undefined };
    this.#consumers.set(id, consumer);
    this.#link.send(["consume", id, name, pattern, options]);
    return {
      pattern: [pattern].flat().join(" "),
      ended,
      status: () => consumer.status,
      close: () => this.#link.send(["close-reader", id]),
    };
  }

  ready(signal: AbortSignal): Promise<void> {
    return this.#window.ready(signal);
  }

  as(): Bus {
    throw new TypeError("Cannot act as somebody else: a plugin in an isolate speaks for itself only");
  }

  /** Takes what the gateway says about any of this. Returns false for what is of no concern to a bus. */
  take({ head, body }: BorderMessage): boolean {
    const [kind, id, ...rest] = head as readonly [string, number, ...unknown[]];
    switch (kind) {
      case "result":
        this.#settle(id, (call) => call.resolve(body.length > 0 ? unpackDelivered(body, rest[0] as number) : rest[0]));
        return true;
      case "error":
        this.#settle(id, (call) => call.reject(unpackError(rest[0])));
        return true;
      case "message":
        this.#deliver(id, unpackDelivered(body, rest[0] as number), (rest[1] as number | null) ?? undefined);
        return true;
      case "closed":
        this.#subscribers.get(id)?.onClose?.(String(rest[0]));
        this.#subscribers.delete(id);
        return true;
      case "batch":
        void this.#consume(id, { batch: rest[0] as number, entries: readEntries(rest[1] as readonly EntryHead[], body), how: rest[2] as Omit<Delivery, "signal"> });
        return true;
      case "batch-abort":
        this.#consumers.get(id)?.abort?.abort(new BusbarError("CLOSED", "the reader is closed"));
        return true;
      case "reader-status": {
        const consumer = this.#consumers.get(id);
        if (consumer) consumer.status = rest[0] as ReaderStatus;
        return true;
      }
      case "reader-ended":
        this.#consumers.get(id)?.ended();
        this.#consumers.delete(id);
        return true;
      default:
        return false;
    }
  }

  #call(kind: "deliver" | "request", draft: Draft): Promise<unknown> {
    const message = createMessage(draft);
    if (message.msgid === "") message.msgid = this.#mint();
    const id = ++this.#next;
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve, reject });
      this.#window.send([kind, id], packEnvelope(message));
    });
  }

  #settle(id: number, how: (call: Call) => void): void {
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    if (call) how(call);
  }

  /** One after the other: a handler is not called again before its promise has settled. */
  #deliver(id: number, message: Envelope, offset: number | undefined): void {
    const subscriber = this.#subscribers.get(id);
    const done = (): void => this.#link.send(["done", id]);
    if (subscriber === undefined) return done();
    const call = async (): Promise<void> => {
      try {
        await subscriber.handler(message, offset);
      } catch (error) {
        this.#log.error("a handler failed", { topic: message.topic, error });
      }
      done();
    };
    const before = subscriber.turn;
    const turn = before === undefined ? call() : before.then(call);
    subscriber.turn = turn;
    void turn.then(() => {
      if (subscriber.turn === turn) subscriber.turn = undefined;
    });
  }

  async #consume(id: number, { batch, entries, how }: { readonly batch: number; readonly entries: readonly Entry[]; readonly how: Omit<Delivery, "signal"> }): Promise<void> {
    const consumer = this.#consumers.get(id);
    if (consumer === undefined) return this.#link.send(["batch-failed", batch, packError(new BusbarError("CLOSED", "the reader is closed"))]);
    consumer.abort = new AbortController();
    try {
      await consumer.handler(entries, { ...how, signal: consumer.abort.signal });
      this.#link.send(["batch-done", batch]);
    } catch (error) {
      this.#link.send(["batch-failed", batch, packError(error)]);
    }
  }
}

/** Of an entry: its offset, when it arrived, and how many bytes of the body it takes. */
export type EntryHead = readonly [offset: number, received: number, length: number];

function readEntries(heads: readonly EntryHead[], body: Uint8Array): readonly Entry[] {
  let at = 0;
  return heads.map(([offset, received, length]) => {
    const message = unpackDelivered(body.subarray(at, at + length), received);
    at += length;
    return { offset, message };
  });
}
