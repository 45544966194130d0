import type { Clock } from "./clock.ts";
import { droppedCounter } from "./delivery/dispatcher.ts";
import type { PostOffice } from "./delivery/post-office.ts";
import { createMessage } from "./envelope.ts";
import type { Log } from "./log.ts";
import type { Counter, Metrics } from "./metrics.ts";

/** Entries a second at the most: somebody who knocks without end must not fill the journal. What is beyond is counted as dropped. */
const perSecond = 2000;

/** What the audit log knows about: `action` of its entries. */
export type AuditAction = "started" | "stopped" | "config-changed" | "login" | "login-failed" | "refused" | "command" | "command-result";

/** Writes who did what into the journal, on `audit/gateway`. Nobody waits for it. Never a secret, never a payload. */
export class AuditTrail {
  readonly #office: PostOffice;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #dropped: Counter;
  #second = 0;
  #count = 0;

  constructor(options: { readonly office: PostOffice; readonly clock: Clock; readonly log: Log; readonly metrics: Metrics }) {
    this.#office = options.office;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#dropped = droppedCounter(options.metrics, "audit-rate");
  }

  write(action: AuditAction, fields: Readonly<Record<string, unknown>>): void {
    const second = Math.floor(this.#clock.now() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#count = 0;
    }
    if (++this.#count > perSecond) {
      this.#dropped.value++;
      return;
    }
    const message = createMessage({ type: "audit", from: "gateway", payload: { action, ...fields } });
    this.#office.complete(message, message.from);
    this.#office.deliver(message, (error) => error !== undefined && this.#log.error("audit entry is lost", { action, error }));
  }
}
