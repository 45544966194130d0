import type { Credentials, Principal } from "../authority.ts";
import type { SessionServices } from "./session-services.ts";

/** Frames held while the authority thinks. The transport is paused then, so no more come than one read of 64 KiB brings; the shortest, on TCP, have 3 bytes. */
const maxHeld = 25_000;

/** What a login needs of its session. */
export interface LoginHost {
  readonly remote: string;
  /** The authority has answered; what was held follows after. */
  accepted(principal: Principal): void;
  refused(error: unknown): void;
}

/** One question to the authority, and what the peer says meanwhile: a client may send before it has read anything (WIRE §2). */
export class Login {
  readonly #abort = new AbortController();
  #held: (() => void)[] = [];

  /** Asks at once; `host` hears the answer later, unless the login is ended before. */
  constructor(credentials: Credentials, host: LoginHost, services: SessionServices) {
    const { signal } = this.#abort;
    services.authority().authenticate(credentials, { remote: host.remote, signal }).then(
      (principal) => signal.aborted || host.accepted(principal),
      (error: unknown) => signal.aborted || host.refused(error),
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
}
