import { errorText, retryDelay, type Clock, type Log, type RetryRange } from "@busbar/core";
import type { Channel } from "./channel.ts";
import type { RequestQueue } from "./request-queue.ts";

/** How a link is kept. */
export interface LinkOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly queue: RequestQueue;
  readonly open: (signal: AbortSignal) => Promise<Channel>;
  readonly reconnect: Required<RetryRange>;
  /** Called when there is a connection. */
  readonly onUp: () => void;
  /** Called when there is none any more, and when the first attempt to get one has failed. */
  readonly onDown: () => void;
}

/** Keeps one connection: opens it, hands it to the queue, opens it again with growing pauses. */
export class Link {
  readonly #options: LinkOptions;
  #connections = 0;
  #channel: Channel | undefined;
  #failure: string | undefined;
  #down = false;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  /** Whether there is a connection. */
  get up(): boolean {
    return this.#channel !== undefined;
  }

  /** Connections after the first. */
  get reconnects(): number {
    return Math.max(0, this.#connections - 1);
  }

  /** Runs until the signal aborts, and closes what is open then. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, reconnect } = this.#options;
    for (let attempt = 0; !signal.aborted; attempt++) {
      const lasted = await this.#connection(signal);
      if (lasted > 10 * reconnect.min) attempt = 0;
      await clock.sleep(retryDelay(attempt, reconnect), signal).catch(() => {});
    }
  }

  /** One connection from its beginning to its end. Returns how long it lasted in ms: one that ends at once is no better than none. */
  async #connection(signal: AbortSignal): Promise<number> {
    const { clock, log, queue } = this.#options;
    let channel: Channel;
    try {
      channel = await this.#options.open(signal);
    } catch (error) {
      if (!signal.aborted) this.#tell("device cannot be reached", errorText(error));
      return 0;
    }
    const begun = clock.now();
    const close = (): void => channel.close();
    signal.addEventListener("abort", close, { once: true });
    if (signal.aborted) close();
    this.#channel = channel;
    this.#connections++;
    this.#failure = undefined;
    this.#down = false;
    log.info("connected");
    queue.attach(channel);
    this.#options.onUp();
    const reason = await channel.ended;
    signal.removeEventListener("abort", close);
    this.#channel = undefined;
    queue.detach();
    if (!signal.aborted) this.#tell("connection lost", reason);
    return clock.now() - begun;
  }

  /** The same reason is logged once, until there was a connection in between. */
  #tell(message: string, reason: string): void {
    if (!this.#down) {
      this.#down = true;
      this.#options.onDown();
    }
    if (reason === this.#failure) return;
    this.#failure = reason;
    this.#options.log.warn(message, { reason });
  }
}
