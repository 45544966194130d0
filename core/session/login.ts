import type { Credentials, Principal } from "../authority.ts";
import { PrincipalBus } from "../delivery/create-bus.ts";
import type { Draft, Message } from "../envelope.ts";
import { errorCode } from "../errors.ts";
import type { AuthFrame } from "../frame.ts";
import { isId } from "../topic.ts";
import { checkPayload } from "./payload-limits.ts";
import type { PeerSession } from "./peer-session.ts";
import type { SessionServices } from "./session-services.ts";
import type { SessionOptions } from "./sessions.ts";

/** Frames held while the authority thinks. The transport is paused then, so no more come than one read of 64 KiB brings; the shortest, on TCP, have 3 bytes. */
const maxHeld = 25_000;

/** What a peer shows with its auth frame: the token in it, or else what its connection has shown. */
export function shownWith({ token, deviceId }: AuthFrame, { greets, credentials }: SessionOptions): Credentials {
  const id = deviceId || undefined;
  if (greets !== true || credentials === undefined || token !== "") return { kind: "token", token, id };
  return { ...credentials, ...(id !== undefined && { id }) };
}

/** What a login needs. */
export interface LoginOptions {
  readonly session: PeerSession;
  readonly services: SessionServices;
  /** The last will that the peer has said. */
  readonly will: Message | undefined;
  /** The peer is let in; its will, checked, is to be kept. */
  readonly accepted: (principal: Principal, will: Draft | undefined) => void;
  /** It is not. */
  readonly refused: () => void;
}

/** One question to the authority, and what the peer says meanwhile: a client may send before it has read anything (WIRE §2). */
export class Login {
  readonly #credentials: Credentials;
  readonly #options: LoginOptions;
  readonly #abort = new AbortController();
  #held: (() => void)[] = [];

  /** Asks at once; the session hears the answer later, unless the login is ended before. */
  constructor(credentials: Credentials, options: LoginOptions) {
    this.#credentials = credentials;
    this.#options = options;
    const { signal } = this.#abort;
    options.services.authority().authenticate(credentials, { ...options.session.channel.origin, signal }).then(
      (principal) => signal.aborted || this.#accepted(principal),
      (error: unknown) => signal.aborted || this.#refused(error),
    );
  }

  /** Keeps what the peer has said for later. Returns false when it is too much. */
  hold(say: () => void): boolean {
    if (this.#held.length >= maxHeld) return false;
    this.#held.push(say);
    return true;
  }

  /** Takes what was kept. */
  take(): readonly (() => void)[] {
    return this.#held.splice(0);
  }

  /** Nobody waits for the answer any more. */
  end(): void {
    this.#abort.abort();
    this.#held = [];
  }

  #accepted(principal: Principal): void {
    const { session, services, will, accepted, refused } = this.#options;
    if (session.principal !== undefined && principal.id !== session.principal.id) { // a new token of the same peer is welcome, another peer is not
      services.audit.write("login-failed", { ...session.who(), reason: "the new token is for somebody else", claimed: principal.id });
      return refused();
    }
    if (will === undefined) return accepted(principal, undefined);
    const { limits = {} } = session.channel.options;
    const { signed: mode = "off" } = limits;
    const wrong = (error: unknown): void => {
      session.channel.sayError(error, { msgid: will.msgid });
      this.#refused(error);
    };
    try {
      checkPayload(will, limits);
      const nonce = services.signed.check(will, { mode, principal });
      const draft = services.wills.check(new PrincipalBus(services, principal), will);
      if (nonce === undefined) return accepted(principal, draft);
      services.signed.claim(nonce, (error) => void (this.#abort.signal.aborted || (error === undefined ? accepted(principal, draft) : wrong(error))));
    } catch (error) {
      wrong(error);
    }
  }

  #refused(error: unknown): void {
    const { session, services, refused } = this.#options;
    const credentials = this.#credentials;
    services.log.warn("authentication failed", { ...session.who(), error });
    const claimed = credentials.kind === "certificate" ? credentials.names[0] : credentials.id === undefined || isId(credentials.id) ? credentials.id : "no id"; // some put their secret where their id belongs
    services.audit.write("login-failed", { ...session.who(), credentials: credentials.kind, code: errorCode(error), claimed });
    refused();
  }
}
