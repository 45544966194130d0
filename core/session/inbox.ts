import type { Principal } from "../authority.ts";
import type { Subscription } from "../bus.ts";
import type { Envelope, Message } from "../envelope.ts";
import { speaksFor } from "../topic.ts";
import type { PeerSession } from "./peer-session.ts";
import type { SessionServices } from "./session-services.ts";

/** How commands reach the device. */
export interface InboxOptions {
  /** At once, or only when the device has spoken. */
  readonly push: boolean;
  /** Whether the protocol can answer a command. */
  readonly answers: boolean;
}

/**
 * What a device receives without subscribing (WIRE §1): the commands to itself, to each of its groups and to all. What waited for it comes first; what it has not
 * answered comes again when it comes back.
 */
export class Inbox {
  readonly #principal: Principal;
  readonly #session: PeerSession;
  readonly #services: SessionServices;
  readonly #options: InboxOptions;
  readonly #subscriptions: readonly Subscription[];
  /** Commands that were sent on this connection. */
  readonly #sent = new Set<Envelope>();
  #flushed = false;

  constructor(principal: Principal, session: PeerSession, services: SessionServices, options: InboxOptions) {
    this.#principal = principal;
    this.#session = session;
    this.#services = services;
    this.#options = options;
    const patterns = options.push ? [`command/${principal.id}/#`, "command/all", ...principal.groups.map((group) => `command/group/${group}`)] : [];
    this.#subscriptions = patterns.map((pattern) => services.office.subscribe(pattern, (message, offset) => this.#push(message, offset, true)));
  }

  /** Sends what waits for the device: once at the start, or, where the device has to speak first, whenever it has. */
  flush(): void {
    if (this.#options.push && this.#flushed) return;
    this.#flushed = true;
    for (const message of this.#services.commands.waiting(this.#principal.id)) {
      if (!this.#sent.has(message)) this.#push(message, undefined, false);
    }
  }

  close(): void {
    for (const subscription of this.#subscriptions) subscription.close();
  }

  /** A command that the device's protocol has no words for will never be done. */
  #unsayable(message: Envelope): void {
    if (message.qos === 0 || !speaksFor(this.#principal.id, message.to)) return;
    this.#services.answer(message, this.#principal, { msgid: message.msgid, status: "error", result: "the device's protocol cannot say this command" });
  }

  #push(message: Envelope, offset: number | undefined, live: boolean): void {
    if (message.expires !== undefined && message.expires <= this.#services.clock.now()) return;
    if (this.#session.options.codec.encodeMessage(message as Message, offset) === undefined) return this.#unsayable(message);
    if (!(live ? this.#session.sendLive(message as Message, offset, false) : this.#session.send(message as Message, offset, false))) return;
    if (message.qos > 0 && this.#sent.size < 10_000) this.#sent.add(message);
    this.#services.commands.sent(message, !this.#options.answers);
  }
}
