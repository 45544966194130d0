import type { Clock } from "./clock.ts";
import type { PostOffice } from "./delivery/post-office.ts";
import { createMessage } from "./envelope.ts";
import type { Log } from "./log.ts";
import { gatewayId } from "./topic.ts";

/** Entries a second at the most: somebody who knocks without end must not fill the journal. What is beyond is counted as dropped. */
const perSecond = 2000;

/** What the audit log knows about: `action` of its entries. */
export type AuditAction = "started" | "stopped" | "config-changed" | "login" | "login-failed" | "refused" | "command" | "command-result";

/** Writes who did what into the journal, on `audit/gateway`. Nobody waits for it. Never a secret, never a payload. */
export class AuditTrail {
  readonly #office: PostOffice;
  readonly #clock: Clock;
  readonly #log: Log;
  #second = 0;
  #count = 0;

  constructor(options: { readonly office: PostOffice; readonly clock: Clock; readonly log: Log }) {
    this.#office = options.office;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  write(action: AuditAction, fields: Readonly<Record<string, unknown>>): void {
    const second = Math.floor(this.#clock.now() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#count = 0;
    }
    if (++this.#count > perSecond) return this.#office.discard("audit-rate");
    const message = createMessage({ type: "audit", from: gatewayId, payload: { action, ...fields } });
    this.#office.complete(message, message.from);
    this.#office.deliver(message, (error) => error !== undefined && this.#log.error("audit entry is lost", { action, error }));
  }
}
