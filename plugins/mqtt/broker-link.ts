import { errorText, retryDelay, type Clock, type Counter, type Log, type RetryRange } from "@busbar/core";
import type { BrokerSession } from "./broker-session.ts";

/** Milliseconds that what came is given to get into the journal when the gateway stops. */
const farewell = 2000;

/** How a link is kept. */
export interface LinkOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Connects and does what has to be done before the session is of use. */
  readonly open: (signal: AbortSignal) => Promise<BrokerSession>;
  readonly reconnect: Required<RetryRange>;
  /** Counts connections after the first. */
  readonly reconnects: Counter;
}

/** Keeps one connection to the broker: opens it, says when it comes and goes, opens it again with growing pauses. */
export class BrokerLink {
  readonly #options: LinkOptions;
  #session: BrokerSession | undefined;
  #waiting: (() => void)[] = [];
  #connections = 0;
  #failure: string | undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  /** The open session, if there is one. */
  get session(): BrokerSession | undefined {
    return this.#session?.open ? this.#session : undefined;
  }

  /** Why there is no session; undefined while there is one, and before the first attempt has ended. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Resolves when the state changes: a session came or went, or an attempt to get one failed for a new reason. Resolves too when the signal aborts. */
  changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const done = (): void => {
        signal.removeEventListener("abort", done);
        resolve();
      };
      this.#waiting.push(done);
      signal.addEventListener("abort", done, { once: true });
    });
  }

  /** Runs until the signal aborts; an open session then stays open for `close`. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, reconnect } = this.#options;
    for (let attempt = 0; !signal.aborted; attempt++) {
      const session = await this.#open(signal);
      if (session !== undefined) {
        const end = await Promise.race([session.ended, aborted(signal)]);
        if (end === undefined) return;
        if (session.useful) attempt = 0;
        this.#lost(end.error);
      }
      await clock.sleep(retryDelay(attempt, reconnect), signal).catch(() => {});
    }
  }

  /** Lets what came be acknowledged, and says goodbye to the broker. */
  async close(): Promise<void> {
    const session = this.session;
    if (session === undefined) return;
    await Promise.race([session.drain(), this.#options.clock.sleep(farewell)]);
    await session.disconnect();
  }

  async #open(signal: AbortSignal): Promise<BrokerSession | undefined> {
    try {
      const session = await this.#options.open(signal);
      this.#session = session;
      if (this.#connections++ > 0) this.#options.reconnects.value++;
      this.#failure = undefined;
      this.#options.log.info("connected to the broker", { sessionPresent: session.present });
      this.#tell();
      return session;
    } catch (error) {
      if (!signal.aborted) this.#lost(error);
      return undefined;
    }
  }

  #lost(error: unknown): void {
    const text = errorText(error);
    const was = this.#session !== undefined;
    this.#session = undefined;
    if (text === this.#failure) return;
    this.#failure = text;
    this.#options.log.warn(was ? "connection to the broker lost" : "broker cannot be reached", { reason: text });
    this.#tell();
  }

  #tell(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => (signal.aborted ? resolve(undefined) : signal.addEventListener("abort", () => resolve(undefined), { once: true })));
}
