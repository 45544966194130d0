import type { Authority, Origin, Principal } from "../authority.ts";
import type { Bus } from "../bus.ts";
import { createMessage, type Draft, type Envelope, type Message } from "../envelope.ts";
import { BusbarError } from "../errors.ts";
import { isOwnLetterBox } from "../fixed-rights.ts";
import type { Log } from "../log.ts";
import { checkPattern, gatewayId, gatewayTypes, mayAnswer, speaksFor, topicOf } from "../topic.ts";
import type { CommandTracker } from "./command-tracker.ts";
import { deliverAsync, type PostOffice } from "./post-office.ts";

/** What the buses of one gateway share. */
export interface BusContext {
  readonly office: PostOffice;
  /** Resolved late: plugins get their bus before the one that provides the authority is set up. */
  readonly authority: () => Authority;
  /** Knows what was answered already. */
  readonly commands?: Pick<CommandTracker, "answers">;
  /** Somebody whose place is known gives a command. */
  readonly heard?: (command: Message, origin: Origin) => void;
}

/** The bus of a plugin: it may do everything, in the plugin's name. */
export function createBus(context: BusContext, id: string, log?: Log): Bus {
  const { office } = context;
  const complete = (message: Message): Message => {
    office.complete(message, id);
    return message;
  };
  return {
    publish: (draft) => office.publish(complete(createMessage(draft))),
    deliver: (draft) => deliverAsync(office, complete(atLeastOnce(createMessage(draft)))),
    subscribe: (pattern, handler, options) => office.subscribe(pattern, handler, { ...options, ...(log && { log }) }),
    consume: (name, pattern, handler, options) => office.readers.consume(`${id}/${name}`, pattern, { ...options, handler, ...(log && { log }) }),
    request: (draft, options) => request(context, complete(createMessage(draft)), options.signal),
    ready: (signal) => office.ready(signal),
    as: (principal, origin) => new PrincipalBus(context, principal, origin),
  };
}

/**
 * The bus of somebody who has been authenticated: every verb is checked against the authority, and `from` is stamped or checked.
 * Answers are cached per topic until the authority says that they may have changed.
 */
export class PrincipalBus implements Bus {
  readonly principal: Principal;
  readonly #context: BusContext;
  readonly #origin: Origin | undefined;
  #allowed: Map<string, boolean> | undefined;
  #type = "";
  #from = "";
  #to = "";
  #topic = "";

  constructor(context: BusContext, principal: Principal, origin?: Origin) {
    this.#context = context;
    this.#origin = origin;
    this.principal = principal;
  }

  /** Drops the cached rights; to be called when the authority changes. */
  recheck(): void {
    this.#allowed = undefined;
    this.#topic = "";
  }

  publish(draft: Draft): boolean {
    const message = this.#admitted(createMessage(draft));
    return this.#context.office.publish(message);
  }

  async deliver(draft: Draft): ReturnType<Bus["deliver"]> {
    const message = this.#admitted(atLeastOnce(createMessage(draft)));
    return deliverAsync(this.#context.office, message);
  }

  /**
   * Stamps and checks a message and fills in what it lacks. The last topic is remembered, so a source that stays on one topic pays three comparisons.
   * @throws {BusbarError} FORBIDDEN when it speaks for somebody else or where it may not.
   */
  admit(message: Message): void {
    if (message.from === "") message.from = this.principal.id;
    if (message.type === this.#type && message.from === this.#from && message.to === this.#to && this.#topic !== "") message.topic = this.#topic;
    else this.#admitTopic(message);
    this.#context.office.complete(message, message.from);
  }

  #admitted(message: Message): Message {
    this.admit(message);
    if (this.#origin && message.type === "command") this.#context.heard?.(message, this.#origin);
    return message;
  }

  #admitTopic(message: Message): void {
    const { id } = this.principal;
    if (!speaksFor(id, message.from)) throw new BusbarError("FORBIDDEN", `Cannot publish as ${JSON.stringify(message.from)}: the session is ${JSON.stringify(id)}`);
    const topic = topicOf(message.type, message.from, message.to);
    if (gatewayTypes.has(message.type)) throw new BusbarError("FORBIDDEN", `Cannot publish on ${JSON.stringify(topic)}: only the gateway itself says "${message.type}"`);
    if (!this.#may("publish", topic)) throw new BusbarError("FORBIDDEN", `Cannot publish on ${JSON.stringify(topic)}: no role of ${JSON.stringify(id)} grants it`);
    this.#type = message.type;
    this.#from = message.from;
    this.#to = message.to;
    message.topic = this.#topic = topic;
  }

  subscribe(...[pattern, handler, options]: Parameters<Bus["subscribe"]>): ReturnType<Bus["subscribe"]> {
    this.checkSubscribe(pattern);
    return this.#context.office.subscribe(pattern, handler, options);
  }

  consume(...[name, pattern, handler, options]: Parameters<Bus["consume"]>): ReturnType<Bus["consume"]> {
    for (const one of [pattern].flat()) this.checkSubscribe(one);
    return this.#context.office.readers.consume(`${this.principal.id}/${name}`, pattern, { ...options, handler });
  }

  request(draft: Draft, options: { readonly signal: AbortSignal }): Promise<Envelope> {
    const message = this.#admitted(createMessage(draft));
    return request(this.#context, message, options.signal);
  }

  ready(signal: AbortSignal): Promise<void> {
    return this.#context.office.ready(signal);
  }

  /** Only for somebody who already speaks for that id: rights can be given away, not gained. */
  as(principal: Principal, origin?: Origin): Bus {
    const elsewhere = principal.via !== undefined && (principal.via.transport !== this.principal.via?.transport || principal.via.remote !== this.principal.via.remote);
    if (elsewhere || !speaksFor(this.principal.id, principal.id) || !isWithin(principal.roles, this.principal.roles) || !isWithin(principal.groups, this.principal.groups)) {
      throw new BusbarError("FORBIDDEN", `Cannot act as ${JSON.stringify(principal.id)}: the session is ${JSON.stringify(this.principal.id)}`);
    }
    return new PrincipalBus(this.#context, principal, origin ?? this.#origin);
  }

  /** @throws {BusbarError} FORBIDDEN when the whole pattern is not granted; BAD_FRAME when it is no pattern. */
  checkSubscribe(pattern: string): void {
    checkPattern(pattern);
    const { id } = this.principal;
    if (isOwnLetterBox(id, pattern)) return;
    if (!this.#may("subscribe", pattern)) throw new BusbarError("FORBIDDEN", `Cannot subscribe to ${JSON.stringify(pattern.slice(0, 80))}: no role of ${JSON.stringify(id)} grants all of it`);
  }

  #may(action: "publish" | "subscribe", topic: string): boolean {
    const key = action === "publish" ? topic : "?" + topic;
    const known = this.#allowed?.get(key);
    if (known !== undefined) return known;
    const allowed = this.#context.authority().can(this.principal, action, topic);
    if (this.#allowed === undefined || this.#allowed.size >= 1000) this.#allowed = new Map();
    this.#allowed.set(key, allowed);
    return allowed;
  }
}

/** Raises qos 0 to 1: in place for a message that is new, in a copy for one that has been on the bus, as others hold it. */
function atLeastOnce(message: Message): Message {
  if (message.qos > 0) return message;
  if (message.topic !== "") return createMessage({ type: message.type, from: message.from, to: message.to, msgid: message.msgid, timestamp: message.timestamp, qos: 1, retain: message.retain, expires: message.expires, replace: message.replace, payload: message.payload });
  message.qos = 1;
  return message;
}

const isWithin = (some: readonly string[], all: readonly string[]): boolean => some.every((one) => all.includes(one));

/** Sends a command and resolves with the first `ack` of somebody whom it is for that names its msgid: at once when the command is known and was answered. */
function request({ office, commands }: BusContext, message: Message, signal: AbortSignal): Promise<Envelope> {
  return new Promise((resolve, reject) => {
    const abort = (): void => end(() => reject(signal.reason));
    const answers = office.subscribe(`ack/${message.from}`, (answer) => {
      const payload = answer.payload;
      if (typeof payload === "object" && payload !== null && "msgid" in payload && payload.msgid === message.msgid && (answer.from === gatewayId || mayAnswer(answer.from, message.to))) end(() => resolve(answer));
    });
    const end = (settle: () => void): void => {
      answers.close();
      signal.removeEventListener("abort", abort);
      settle();
    };
    if (signal.aborted) return abort();
    signal.addEventListener("abort", abort, { once: true });
    try {
      if (message.qos === 0) office.publish(message);
      else {
        office.deliver(message, (error, _offset, duplicate) => {
          if (error !== undefined) return end(() => reject(error));
          const [known] = duplicate && commands ? commands.answers(message) : [];
          if (known) end(() => resolve(known.message));
        });
      }
    } catch (error) {
      end(() => reject(error));
    }
  });
}
