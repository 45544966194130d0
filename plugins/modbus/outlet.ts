import type { Bus, Counter, Log } from "@busbar/core";

/** What an outlet is made of. */
export interface OutletOptions {
  readonly bus: Bus;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Of the readings: 0 at most once, 1 durable before the next are read. */
  readonly qos: 0 | 1;
  /** Counts readings that the bus had no room for. */
  readonly dropped: Counter;
}

/** Where the devices of an instance say what they have. While the bus asks for a pause, readings of qos 0 are left out; those of qos 1 are waited for. */
export class Outlet {
  readonly #options: OutletOptions;
  #paused = false;

  constructor(options: OutletOptions) {
    this.#options = options;
  }

  /** Whether reading is of no use now, as nobody would take what is read. */
  get paused(): boolean {
    return this.#paused;
  }

  /** Says what a device reads. Resolves when it may read on. */
  async status(from: string, message: { readonly timestamp: number; readonly payload: { readonly values: readonly object[]; readonly quality: string } }): Promise<void> {
    const { bus, qos, dropped, log, signal } = this.#options;
    const draft = { type: "status", from, qos, ...message };
    if (qos === 0) {
      if (!bus.publish(draft)) this.#pause();
      return;
    }
    try {
      await bus.deliver(draft);
    } catch (error) {
      if (signal.aborted) return;
      dropped.value += message.payload.values.length;
      log.warn("readings could not be delivered", { device: from, error });
      this.#pause();
    }
  }

  /** Says what happened, of qos 1. */
  event(from: string, { timestamp, payload }: { readonly timestamp: number; readonly payload: object }): void {
    const { bus, log, signal } = this.#options;
    bus.deliver({ type: "event", from, timestamp, payload, qos: 1 }).catch((error: unknown) => {
      if (!signal.aborted) log.warn("event could not be delivered", { device: from, error });
    });
  }

  /** Says whether a device can be reached, as the kernel says it of connected ones: retained. */
  presence(device: string, { presence, lastSeen }: { readonly presence: "online" | "offline"; readonly lastSeen: number }): void {
    this.#options.bus.publish({ type: "event", from: `${device}/presence`, payload: { presence, lastSeen }, retain: true });
  }

  /** Counts readings that were not even made. */
  drop(count: number): void {
    this.#options.dropped.value += count;
  }

  #pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#options.bus.ready(this.#options.signal).then(
      () => (this.#paused = false),
      () => {}, // the signal: the plugin stops
    );
  }
}
