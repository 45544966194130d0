import { ByteBudget } from "./byte-budget.ts";
import type { PeerSession } from "./peer-session.ts";
import { RateWindow } from "./rate-window.ts";
import type { SessionServices } from "./session-services.ts";
import { CloseCode } from "./transport.ts";

/** How fast one peer may speak: too many messages a second end its session, too many bytes a second make it wait. */
export class Pace {
  readonly #session: PeerSession;
  readonly #services: SessionServices;
  readonly #messages: RateWindow | undefined;
  readonly #bytes: ByteBudget | undefined;

  /** `resume` is called when the peer may be read again. */
  constructor(session: PeerSession, services: SessionServices, resume: () => void) {
    this.#session = session;
    this.#services = services;
    const { rate = 0, byteRate = 0 } = session.channel.options.limits ?? {};
    if (rate > 0) this.#messages = new RateWindow(rate, services.clock);
    if (byteRate > 0) this.#bytes = new ByteBudget(byteRate, services.clock, resume);
  }

  /** Whether the peer is not read for a while. */
  get waits(): boolean {
    return this.#bytes?.spent === true;
  }

  /** One more message; false when that ends the session. */
  admits(): boolean {
    if (this.#messages === undefined || this.#messages.admit()) return true;
    this.#services.refused("rate limit", this.#session);
    this.#session.close(CloseCode.rateLimit, `more than ${this.#session.channel.options.limits?.rate} messages a second`);
    return false;
  }

  /** One more frame of that many bytes, which is taken; but the next may have to wait. */
  take(bytes: number): void {
    if (this.#bytes?.spend(bytes) !== true) return;
    this.#services.refused("byte rate");
    this.#services.log.warn("connection is read more slowly: it sends more bytes a second than it may", this.#session.who());
    this.#session.channel.transport.pause();
  }

  /** The session has ended. */
  end(): void {
    this.#bytes?.end();
  }
}
