import type { Principal } from "../authority.ts";
import { PrincipalBus } from "../delivery/create-bus.ts";
import type { Done } from "../delivery/journal-writer.ts";
import { createMessage, type Message } from "../envelope.ts";
import { Inbox } from "./inbox.ts";
import { checkPayload } from "./payload-limits.ts";
import type { PeerChannel } from "./peer-channel.ts";
import type { SessionServices } from "./session-services.ts";
import type { Nonce } from "./signed/seen-nonces.ts";
import type { Will } from "./wills.ts";

/** What goes on when a peer shows another token; or, for `will`, what it has said itself. */
export interface IdentityHeritage {
  readonly inbox?: Inbox | undefined;
  readonly will?: Will | undefined;
}

/** Where an identity speaks. */
export interface IdentityOptions {
  readonly channel: PeerChannel;
  readonly services: SessionServices;
  /** Without one it begins anew, with the will that the listener gives to each of its devices. */
  readonly heritage?: IdentityHeritage | undefined;
}

/** One identity that speaks through a session, with its rights, the commands for it and its last will: a normal session has one, a trusted connection of a gateway has many. */
export class Identity {
  readonly bus: PrincipalBus;
  /** Undefined for users, and where the listener passes no commands on. */
  readonly inbox: Inbox | undefined;
  will: Will | undefined;
  readonly #channel: PeerChannel;
  readonly #services: SessionServices;

  constructor(principal: Principal, { channel, services, heritage }: IdentityOptions) {
    this.#channel = channel;
    this.#services = services;
    this.inbox = heritage?.inbox ?? (principal.user || channel.options.commands === "none" ? undefined : new Inbox(principal, { channel, services }));
    this.bus = new PrincipalBus(services, principal);
    this.will = heritage ? heritage.will : standardWill(this.bus, { channel, services });
  }

  get principal(): Principal {
    return this.bus.principal;
  }

  /**
   * Checks a message from the peer and fills in what it lacks. Gives the nonce of one that is signed, which then has to be sent with it.
   * @throws {BusbarError} FORBIDDEN where the identity may not say it, BAD_FRAME when its signature is malformed; TOO_LARGE or BAD_FRAME for a payload beyond the limits.
   */
  admit(message: Message): Nonce | undefined {
    const { limits } = this.#channel.options;
    const signed = limits?.signed ?? "off";
    if (limits !== undefined) checkPayload(message, limits);
    const nonce = signed === "off" ? undefined : this.#services.signed.check(message, { mode: signed, principal: this.principal });
    this.bus.admit(message);
    if (message.type === "command") this.#services.audit.heard(message, this.#channel.origin);
    return nonce;
  }

  /** Sends a message of qos 1 or 2, or a signed one; `done` hears its fate. @throws {BusbarError} FORBIDDEN for a nonce that was used before. */
  deliver(message: Message, { nonce, done }: { readonly nonce: Nonce | undefined; readonly done: Done }): void {
    if (nonce === undefined) this.#services.office.deliver(message, done);
    else this.#services.signed.deliver(message, { nonce, done });
  }

  /** Whether the same commands are for both. */
  isLike({ groups, user = false }: Principal): boolean {
    const own = this.principal;
    return user === (own.user ?? false) && groups.join() === own.groups.join();
  }

  /** What it may not say any more is not said for it when it is gone, either. */
  checkWill(): void {
    const { will, principal } = this;
    if (will !== undefined && !this.#services.authority().can(principal, "publish", will.topic)) this.voidWill(`it may not publish on ${JSON.stringify(will.topic)} any more`);
  }

  /** Takes its last will away for good, and says why. */
  voidWill(reason: string): void {
    const will = this.takeWill();
    if (will === undefined) return;
    const { kind, remote } = this.#channel.transport;
    const fields = { transport: kind, remote, id: this.principal.id, reason };
    this.#services.log.warn("last will is void", fields);
    this.#services.audit.write("refused", { ...fields, code: "FORBIDDEN", topic: will.topic, will: true });
    will.discard();
  }

  /** Takes its last will away: whoever calls decides what becomes of it. */
  takeWill(): Will | undefined {
    const { will } = this;
    this.will = undefined;
    return will;
  }
}

/** The will that the listener's config gives to each of its devices. */
function standardWill(bus: PrincipalBus, { channel, services }: IdentityOptions): Will | undefined {
  const { will } = channel.options;
  if (will === undefined || bus.principal.user) return undefined;
  const { id } = bus.principal;
  const { wills, log } = services;
  try {
    return wills.keep(id, wills.check(bus, createMessage({ ...will, from: id })), () => {});
  } catch (error) {
    const { kind, remote } = channel.transport;
    log.warn("device has no last will: it may not publish what the listener says", { transport: kind, remote, device: id, error });
    return undefined;
  }
}
