import { BusbarError, type Clock, type Counter, type Delivery, type Entry, type Envelope, type Metrics, type WriteGuard } from "@busbar/core";
import type { BrokerLink } from "./broker-link.ts";
import type { BrokerSession } from "./broker-session.ts";
import type { Publication } from "./session-options.ts";
import type { MqttConfig } from "./config.ts";
import { wayOf } from "./origin.ts";
import { outEntryFor, outgoingMessage } from "./outgoing-message.ts";
import { PublishRun } from "./publish-run.ts";
import { reasonText, verdictOf } from "./reason-code.ts";

/** What sends. */
export interface EgressOptions {
  readonly config: MqttConfig;
  readonly link: BrokerLink;
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** Stands before every command. */
  readonly writes: WriteGuard;
  readonly instance: string;
  /** The tag of this bridge (see origin.ts). */
  readonly tag: () => string;
  /** The journal's identity at the moment: offsets mean something within it only. */
  readonly epoch: () => string;
}

/** How often a message may be answered with a code that leaves open what it means, or end the connection when it is alone on its way, before it is a dead letter. */
const patience = 5;
/**
 * Publishes of QoS 2 unacknowledged at once with MQTT 3.1.1, where a broker has no way to say how many it takes: Mosquitto 2.0 acknowledges more than its `max_inflight_messages`, 20 unless
 * configured, and forgets what is beyond.
 */
const mostUnreleased = 20;
/** Milliseconds that a batch on its way is given when the gateway stops. */
const farewell = 2000;

/** Sends the batches of a durable reader to the broker: each resolves when the broker has acknowledged all of it. */
export class Egress {
  readonly #options: EgressOptions;
  readonly #published: Counter;
  readonly #skipped: Readonly<Record<"expired" | "echo" | "writes", Counter>>;
  /** Entries of batches that failed half-way which the broker has: they are not sent again. */
  readonly #taken = new Set<number>();
  /** Entries that the broker will not take, and why. */
  readonly #refused = new Map<number, string>();
  /** Failures of single entries. */
  readonly #strikes = new Map<number, number>();
  /** Batches in a row that ended with the connection and brought nothing through. */
  #fruitless = 0;
  /** Whether only one publish at a time is on its way: one of them ends the connection, and it is not known which. */
  #alone = false;
  #epoch = "";
  #working: Promise<void> = Promise.resolve();

  constructor(options: EgressOptions) {
    const { metrics, instance } = options;
    this.#options = options;
    this.#published = metrics.counter("busbar_mqtt_published_total", "Messages that the upstream broker has acknowledged", { instance });
    const skipped = (reason: string): Counter => metrics.counter("busbar_mqtt_skipped_total", "Messages that were not sent to the upstream broker, by reason", { instance, reason });
    this.#skipped = { expired: skipped("expired"), echo: skipped("echo"), writes: skipped("writes") };
  }

  /** Resolves when no batch is on its way. */
  get idle(): Promise<void> {
    return this.#working;
  }

  /**
   * The handler of the durable reader.
   * @throws {BusbarError} UNAVAILABLE when the batch has to come again, REFUSED naming what the broker will not take, once it has everything else.
   */
  readonly take = (batch: readonly Entry[], delivery: Delivery): Promise<void> => {
    const work = this.#take(batch, delivery);
    this.#working = work.catch(() => {});
    return work;
  };

  async #take(batch: readonly Entry[], delivery: Delivery): Promise<void> {
    const session = await this.#session(delivery);
    const { config, epoch } = this.#options;
    if (epoch() !== this.#epoch) this.#forget(epoch());
    const window = this.#alone ? 1 : Math.min(config.inFlight, session.limits.receiveMaximum, config.qos === 2 && config.protocolVersion === 4 ? mostUnreleased : Infinity);
    const run = new PublishRun(session, { window, longest: Math.min(config.maxPacket, session.limits.maximumPacketSize) });
    const offsets: number[] = [];
    const publications: Publication[] = [];
    this.#select(batch, { session, late: delivery.late }, (offset, publication) => (offsets.push(offset), publications.push(publication)));
    const codes = await this.#finish(run, publications, delivery.signal);
    const unsettled = this.#judge(offsets, codes);
    if (unsettled !== undefined) throw await this.#failure(session, run, offsets);
    this.#settle(batch);
  }

  /** Waits for a connection, but does not hold the batch: while it waits, what is late and what goes first changes. */
  async #session({ signal, attempt }: Delivery): Promise<BrokerSession> {
    const { link } = this.#options;
    while (link.session === undefined && link.failure === undefined && !signal.aborted) await link.changed(signal);
    if (link.session !== undefined) return link.session;
    const reason = link.failure ?? "the gateway stops";
    if (attempt === 0) throw new BusbarError("UNAVAILABLE", `no connection to the broker: ${reason}`);
    while (link.session === undefined && !signal.aborted) await link.changed(signal);
    throw new BusbarError("UNAVAILABLE", `${link.session === undefined ? "no connection to the broker" : "the broker is there again, what waited is put together anew; it was away"}: ${reason}`, { retryAfter: 1 });
  }

  #select(batch: readonly Entry[], { session, late }: { readonly session: BrokerSession; readonly late: boolean }, add: (offset: number, publication: Publication) => void): void {
    const { config, clock } = this.#options;
    const tag = this.#options.tag();
    const options = { version: config.protocolVersion, qos: config.qos, limits: session.limits, late, tag, now: clock.now() };
    for (const entry of batch) {
      const { message, offset } = entry;
      if (this.#taken.has(offset) || this.#refused.has(offset)) continue;
      const out = outEntryFor(config.out, message.topic);
      if (out === undefined) continue;
      if (wayOf(message.msgid).includes(tag)) this.#skipped.echo.value++;
      else if (message.expires !== undefined && message.expires <= options.now) this.#skipped.expired.value++;
      else if (message.type === "command" && !this.#mayGo(message)) this.#skipped.writes.value++;
      else {
        add(offset, outgoingMessage(entry, out, options));
        continue;
      }
      this.#taken.add(offset);
    }
  }

  #mayGo({ topic, from, to, msgid }: Envelope): boolean {
    return this.#options.writes.permits({ target: to, id: from, topic, msgid });
  }

  /** A batch that is on its way when the gateway stops may end. */
  async #finish(run: PublishRun, publications: readonly Publication[], signal: AbortSignal): Promise<readonly (number | undefined)[]> {
    let cancel = (): void => {};
    const stop = (): void => void (cancel = this.#options.clock.after(farewell, () => run.stop()));
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
    try {
      return await run.send(publications);
    } finally {
      cancel();
      signal.removeEventListener("abort", stop);
    }
  }

  /** Takes down what the broker said. Returns an offset that has to be sent again, or undefined. */
  #judge(offsets: readonly number[], codes: readonly (number | undefined)[]): number | undefined {
    let again: number | undefined;
    for (const [at, offset] of offsets.entries()) {
      const code = codes[at];
      const verdict = code === undefined ? "retry" : verdictOf(code);
      if (verdict === "taken") {
        this.#taken.add(offset);
        this.#published.value++;
      } else if (verdict === "refused" || (verdict === "retry-some" && this.#strike(offset))) {
        this.#refused.set(offset, reasonText(code!));
      } else again ??= offset;
    }
    return again;
  }

  #forget(epoch: string): void {
    this.#epoch = epoch;
    for (const one of [this.#taken, this.#refused, this.#strikes]) one.clear();
  }

  #strike(offset: number): boolean {
    const count = (this.#strikes.get(offset) ?? 0) + 1;
    this.#strikes.set(offset, count);
    return count >= patience;
  }

  /**
   * Why the batch has to come again. Where the connection ended, one message may be to blame, and would end each further one: then they go one at a time until it is found.
   */
  async #failure(session: BrokerSession, run: PublishRun, offsets: readonly number[]): Promise<BusbarError> {
    if (session.open) return new BusbarError("UNAVAILABLE", run.refusal === undefined ? "the gateway stops" : `the broker asks to try again: ${reasonText(run.refusal)}`);
    const { error, message } = await session.ended;
    this.#fruitless = run.settled > 0 ? 0 : this.#fruitless + 1;
    if (message !== "innocent") {
      const suspect = run.unsettled.length === 1 ? offsets[run.unsettled[0]!] : undefined;
      if (suspect !== undefined && (message === "blamed" || (this.#alone && this.#strike(suspect)))) this.#refused.set(suspect, error.message);
      if (message === "blamed" || this.#fruitless >= 2) this.#alone = true;
    }
    return new BusbarError("UNAVAILABLE", error.message, { cause: error, retryAfter: 1 });
  }

  /** The batch is through. @throws {BusbarError} REFUSED for what of it the broker will not take. */
  #settle(batch: readonly Entry[]): void {
    this.#fruitless = 0;
    this.#alone = false;
    const reasons = new Map<number, string>();
    for (const { offset } of batch) {
      const reason = this.#refused.get(offset);
      if (reason !== undefined) reasons.set(offset, `the broker refused it: ${reason}`);
      this.#taken.delete(offset);
      this.#refused.delete(offset);
      this.#strikes.delete(offset);
    }
    if (reasons.size > 0) throw new BusbarError("REFUSED", "the broker refused some of it", { offsets: [...reasons.keys()], reasons });
  }
}
