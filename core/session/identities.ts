import type { Principal } from "../authority.ts";
import type { Codec } from "../codec.ts";
import type { Message } from "../envelope.ts";
import { BusbarError } from "../errors.ts";
import type { AckFrame } from "../frame.ts";
import { isId, isReservedId } from "../topic.ts";
import { Identity, type IdentityHeritage } from "./identity.ts";
import type { PeerSession } from "./peer-session.ts";
import type { SessionServices } from "./session-services.ts";

const nobody: readonly Identity[] = [];

/** Who speaks through one session: who has logged in, or, on a connection whose listener vouches for its peers, whichever devices its messages name. */
export class Identities {
  readonly #session: PeerSession;
  readonly #services: SessionServices;
  #own: Identity | undefined;
  #vouched: Map<string, Identity> | undefined;

  constructor(session: PeerSession, services: SessionServices) {
    this.#session = session;
    this.#services = services;
  }

  /** Who has logged in. */
  get own(): Identity | undefined {
    return this.#own;
  }

  get all(): readonly Identity[] {
    return this.#own ? [this.#own] : this.#vouched ? [...this.#vouched.values()] : nobody;
  }

  get(id: string): Identity | undefined {
    return this.#own ?? this.#vouched?.get(id);
  }

  /**
   * Who speaks in this message; undefined when nobody has logged in.
   * @throws {BusbarError} BAD_FRAME when a device cannot be called so, OVERLOAD when too many speak through the connection already.
   */
  speaker(message: Message, codec: Codec): Identity | undefined {
    return this.#own ?? this.#vouchedSpeaker(message, codec);
  }

  /** Somebody speaks through the session from now on. */
  attach(principal: Principal, heritage?: IdentityHeritage): Identity {
    const { channel } = this.#session;
    const identity = new Identity(principal, { channel, services: this.#services, heritage });
    if (channel.options.trusted) (this.#vouched ??= new Map()).set(principal.id, identity);
    else this.#own = identity;
    this.#services.attached(this.#session, principal);
    return identity;
  }

  /** The same peer with other rights: it does not leave in between, and what was sent to it is not sent again. */
  renew(principal: Principal): void {
    const known = this.#own!;
    const same = known.isLike(principal);
    const heritage = { inbox: same ? known.inbox : undefined, will: known.takeWill() };
    if (!same) this.detach(known);
    this.attach(principal, heritage);
  }

  /** It does not speak through the session any more. Its last will is published, unless it is void. */
  detach(identity: Identity): void {
    const { principal } = identity;
    if (this.#own) this.#own = undefined;
    else this.#vouched?.delete(principal.id);
    const gone = this.#services.detached(this.#session, principal);
    const { goodbye, channel } = this.#session;
    const will = identity.takeWill();
    if (goodbye || (channel.options.trusted && !gone)) will?.discard(); // a device that is reached through several connections at once is gone with the last
    else will?.publish();
  }

  /** Ends the vouched ones that stand no more. Returns false when who has logged in does not. `rightsChanged`: whether what they may do is to be asked anew; `newAuthority`: also who they are. */
  check(rightsChanged: boolean, newAuthority: boolean): boolean {
    const authority = this.#services.authority();
    for (const identity of this.all) {
      if (authority.stands(identity.principal)) {
        if (rightsChanged) identity.bus.recheck();
        const seen = newAuthority ? this.#refresh(identity) : identity;
        if (rightsChanged) seen.checkWill();
        continue;
      }
      if (!authority.stands({ ...identity.principal, expires: undefined })) identity.voidWill("it is revoked"); // who has only expired is gone like others
      if (identity === this.#own) return false;
      this.detach(identity);
    }
    return true;
  }

  /** About once a second: sends commands again that were not answered in time. `now`: ms since the Unix epoch. */
  repeat(now: number): void {
    for (const { inbox } of this.all) inbox?.repeat(now);
  }

  /** An acknowledgement of a command, or an answer to one. */
  acknowledge(frame: AckFrame): void {
    const { msgid, offset, status, payload } = frame;
    const { all } = this;
    for (const { inbox } of all) inbox?.acknowledge(msgid, offset);
    if (status === undefined && payload === undefined) return; // it has arrived, which is no answer
    for (const identity of all) if (this.#services.answers.take(frame, identity)) return;
  }

  /** Another authority may see it with other roles, in other groups, or want to know where it is. It does not leave in between. Gives who it is from now on. */
  #refresh(known: Identity): Identity {
    const principal = this.#asAuthoritySees(known.principal);
    if (principal === known.principal) return known;
    const { channel } = this.#session;
    const inbox = known.isLike(principal) ? known.inbox : undefined;
    const identity = new Identity(principal, { channel, services: this.#services, heritage: { inbox, will: known.takeWill() } });
    if (known === this.#own) this.#own = identity;
    else this.#vouched!.set(principal.id, identity);
    this.#services.regrouped(this.#session, known.principal, principal);
    if (inbox === undefined) identity.inbox?.flush();
    return identity;
  }

  #asAuthoritySees(principal: Principal): Principal {
    return this.#services.authority().refresh?.(principal, this.#session.channel.origin) ?? principal;
  }

  #vouchedSpeaker(message: Message, codec: Codec): Identity | undefined {
    const { trusted, limits } = this.#session.channel.options;
    if (trusted === undefined) return undefined;
    const id = codec.identity?.(message) ?? message.from;
    const known = this.#vouched?.get(id);
    if (known) return known;
    if (!isId(id) || isReservedId(id)) throw new BusbarError("BAD_FRAME", `Cannot speak as ${JSON.stringify(id.slice(0, 80))}: it is no id, or a reserved one`);
    const count = this.#vouched?.size ?? 0;
    if (count >= (limits?.identities ?? 1000)) throw new BusbarError("OVERLOAD", `Cannot speak for another device: ${count} speak through this connection already`);
    const principal = this.#asAuthoritySees({ id, roles: trusted.roles, groups: trusted.groups ?? [], ...(trusted.groups && { ownGroups: trusted.groups }) });
    if (!this.#services.authority().stands(principal)) throw new BusbarError("FORBIDDEN", `Cannot speak as ${JSON.stringify(id)}: it is revoked`); // the listener vouches for who it is, not that it may still come
    const identity = this.attach(principal);
    identity.inbox?.flush();
    return identity;
  }
}
