import type { Audit, AuditAction, AuditFeed, AuditFields } from "../audit.ts";
import type { Origin } from "../authority.ts";
import type { Clock } from "../clock.ts";
import type { PostOffice } from "../delivery/post-office.ts";
import { createMessage, type Envelope, type Message } from "../envelope.ts";
import type { Log } from "../log.ts";
import type { Counter, Metrics } from "../metrics.ts";
import { gatewayId } from "../topic.ts";
import { AuditQueue } from "./audit-queue.ts";
import { cleanFields } from "./clean-fields.ts";
import { Repeats } from "./repeats.ts";

/** Entries a second that go to the bus at the most: somebody who knocks without end must not fill the journal. What is beyond is counted as dropped there, and is in the log all the same. */
const perSecond = 2000;

/** What a trail works with. */
export interface AuditTrailOptions {
  readonly office: PostOffice;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

/**
 * The way of an entry: checked, summed up with its like, queued for the plugin that keeps the log, and said on `audit/<source>` for whoever watches. Synchronous, and bounded in memory whatever the disk does: the data path
 * never waits for the audit log, nor the other way round.
 */
export class AuditTrail implements Audit {
  readonly #options: AuditTrailOptions;
  readonly #repeats: Repeats;
  readonly #queue = new AuditQueue();
  readonly #entries: Counter;
  readonly #summed: Counter;
  readonly #lost: Counter;
  /** Where commands came from. */
  readonly #origins = new WeakMap<Envelope, AuditFields>();
  #kept = false;
  #second = 0;
  #count = 0;

  constructor(options: AuditTrailOptions) {
    const { clock, metrics } = options;
    this.#options = options;
    this.#repeats = new Repeats(clock, (action, fields, source) => this.#put(action, fields, source));
    this.#entries = metrics.counter("busbar_audit_entries_total", "Entries for the audit log");
    this.#summed = metrics.counter("busbar_audit_summed_total", "Logins and refusals that are in the audit log as the count of another entry");
    this.#lost = metrics.counter("busbar_audit_lost_total", "Entries that the audit log could not keep: the log says so itself");
    metrics.gauge("busbar_audit_waiting", "Entries that wait for the audit log", () => this.#queue.waiting);
  }

  /** Whether a plugin of the config takes what waits; else nothing does. */
  set kept(kept: boolean) {
    this.#kept = kept;
  }

  /** What waits for the plugin that keeps the log. */
  get feed(): AuditFeed {
    return this.#queue;
  }

  write(action: AuditAction, fields: AuditFields): void {
    this.#write(action, fields, gatewayId);
  }

  /** A command came over a connection: its entry will say which. */
  heard(command: Message, { transport, remote }: Origin): void {
    this.#origins.set(command, { transport, remote });
  }

  /** A command was taken. */
  command(message: Envelope): void {
    const { msgid, from, to, topic } = message;
    this.write("command", { msgid, from, to, topic, ...this.#origins.get(message) });
  }

  /** As `write`, in the name of a plugin instance. */
  of(source: string): Audit {
    return {
      write: (action, fields) => {
        if (action === "lost" || action.startsWith("audit-")) throw new TypeError(`Cannot write "${action}" to the audit log: only the log itself says that`);
        if (!/^[a-z][a-z0-9-]{0,31}$/.test(action)) throw new TypeError(`Cannot write ${JSON.stringify(String(action).slice(0, 80))} to the audit log: an action is lower case with dashes, 32 characters at the most`);
        this.#write(action, fields, source);
      },
    };
  }

  /** Writes what was held back to be summed up. */
  flush(): void {
    this.#repeats.flush();
  }

  #write(action: AuditAction, fields: AuditFields, source: string): void {
    if (this.#repeats.hold(action, fields, source)) this.#summed.value++;
    else this.#put(action, fields, source);
  }

  #put(action: AuditAction, given: AuditFields, source: string): void {
    const { fields, size } = cleanFields(given);
    this.#entries.value++;
    if (this.#kept && !this.#queue.push({ time: this.#options.clock.now(), action, source, fields }, size)) this.#lost.value++;
    this.#say(action, fields, source);
  }

  #say(action: AuditAction, fields: AuditFields, source: string): void {
    const { office, clock, log } = this.#options;
    const second = Math.floor(clock.now() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#count = 0;
    }
    if (++this.#count > perSecond) return office.discard("audit-rate");
    const message = createMessage({ type: "audit", from: source, payload: { action, ...fields } });
    office.complete(message, message.from);
    office.deliver(message, (error) => error !== undefined && log.error("audit entry is lost on the bus", { action, error }));
  }
}
