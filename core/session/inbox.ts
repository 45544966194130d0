import type { Principal } from "../authority.ts";
import type { Envelope, Message } from "../envelope.ts";
import { speaksFor } from "../topic.ts";
import type { PeerSession } from "./peer-session.ts";
import type { SessionServices } from "./session-services.ts";

/** Commands remembered as sent on one connection. */
const maxSent = 10_000;

/** Where an inbox belongs, and how commands reach its device. */
export interface InboxOptions {
  readonly session: PeerSession;
  readonly services: SessionServices;
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
  readonly #options: InboxOptions;
  /** Commands that were sent on this connection. */
  #sent: Set<Envelope> | undefined;
  #flushed = false;

  constructor(principal: Principal, options: InboxOptions) {
    this.#principal = principal;
    this.#options = options;
  }

  /** Takes a command as it passes on the bus. */
  pass(message: Envelope, offset: number | undefined): void {
    if (this.#options.push) this.#send(message, offset, true);
  }

  /** Sends what waits for the device: once at the start, or, where the device has to speak first, whenever it has. */
  flush(): void {
    const { push, services } = this.#options;
    if (push && this.#flushed) return;
    this.#flushed = true;
    for (const message of services.commands.waiting(this.#principal.id)) {
      if (!this.#sent?.has(message)) this.#send(message, undefined, false);
    }
  }

  #send(message: Envelope, offset: number | undefined, live: boolean): void {
    const { session, services, answers } = this.#options;
    if (message.expires !== undefined && message.expires <= services.clock.now()) return;
    if (session.options.codec.encodeMessage(message as Message, offset) === undefined) return this.#unsayable(message);
    if (!(live ? session.sendLive(message as Message, offset, false) : session.send(message as Message, offset, false))) return;
    this.#sent ??= new Set();
    if (message.qos > 0 && this.#sent.size < maxSent) this.#sent.add(message);
    services.commands.sent(message, !answers);
  }

  /** A command that the device's protocol has no words for will never be done. */
  #unsayable(message: Envelope): void {
    if (message.qos === 0 || !speaksFor(this.#principal.id, message.to)) return;
    this.#options.services.answer(message, this.#principal, { msgid: message.msgid, status: "error", result: "the device's protocol cannot say this command" });
  }
}
