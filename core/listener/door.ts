import type { Server, Socket } from "node:net";
import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import { AddressLimit } from "./address-limit.ts";
import { addressBlock, isLoopback, plainAddress } from "./address.ts";
import type { DoorSettings } from "./door-settings.ts";
import { TokenBucket } from "./token-bucket.ts";

/** Addresses whose pace is remembered. Whoever has more of them to come from has as many bursts anyway. */
const rememberedAddresses = 20_000;
/** Connections a second from one other machine, where the config does not say. */
const defaultAddressRate = 100;

/** What a door works with. */
export interface DoorOptions {
  readonly settings: Pick<DoorSettings, "maxConnections" | "handshakes">;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** The limits of one listener. */
export interface EntranceLimits {
  /** Connections at once. */
  readonly places: number;
  /** Connections at once from one address; undefined = `usualPerAddress`, and no limit from this machine. */
  readonly perAddress: number | undefined;
  /** Default 1,000. */
  readonly usualPerAddress?: number;
}

/** Connections of all listeners of a gateway: how many there are, and how fast they are opened. Who is over a limit is closed before anything is read of it or said to it, so also before a TLS handshake. */
export class Door {
  readonly #options: DoorOptions;
  readonly #all: TokenBucket;
  /** Those used last come last. */
  readonly #addresses = new Map<string, TokenBucket>();
  #open = 0;

  constructor(options: DoorOptions) {
    this.#options = options;
    this.#all = new TokenBucket(options.settings.handshakes.burst, options.clock.now());
    options.metrics.gauge("busbar_connections", "Connections of all listeners, TLS handshakes included", () => this.#open);
  }

  /** Watches over a server that does not listen yet, of whatever protocol on TCP. What is refused is destroyed when it comes to whoever else hears of it. */
  guard(server: Server, limits: EntranceLimits): void {
    const addresses = new AddressLimit(limits.perAddress, limits.usualPerAddress);
    let open = 0;
    server.prependListener("connection", (socket: Socket) => {
      const { remoteAddress } = socket;
      if (remoteAddress === undefined) return void socket.destroy(); // gone before it was looked at
      if (open >= limits.places) return this.#turnAway(socket, "full");
      const reason = this.#refusal(addressBlock(remoteAddress));
      if (reason !== undefined) return this.#turnAway(socket, reason);
      if (!addresses.take(remoteAddress)) return this.#turnAway(socket, "too many from one address");
      open++;
      this.#open++;
      socket.once("close", () => {
        open--;
        this.#open--;
        addresses.free(remoteAddress);
      });
    });
  }

  /** What the gateway as a whole has against one more from there. */
  #refusal(address: string): string | undefined {
    const { settings: { maxConnections, handshakes: { rate, burst, addressRate, addressBurst } }, clock } = this.#options;
    if (this.#open >= maxConnections) return "gateway full";
    const now = clock.now();
    const pace = addressRate ?? (isLoopback(address) ? 0 : defaultAddressRate);
    // First the one's own, so that somebody in a hurry does not use up what is everybody's.
    if (pace > 0 && !this.#bucket(address, now).take(pace, { burst: addressBurst, now })) return "too many a second from one address";
    return rate > 0 && !this.#all.take(rate, { burst, now }) ? "too many a second" : undefined;
  }

  #bucket(address: string, now: number): TokenBucket {
    const bucket = this.#addresses.get(address) ?? new TokenBucket(this.#options.settings.handshakes.addressBurst, now);
    this.#addresses.delete(address);
    this.#addresses.set(address, bucket);
    if (this.#addresses.size > rememberedAddresses) this.#addresses.delete(this.#addresses.keys().next().value!);
    return bucket;
  }

  #turnAway(socket: Socket, reason: string): void {
    const { metrics, log } = this.#options;
    metrics.counter("busbar_refused_total", "Frames and peers refused, by reason", { reason }).value++;
    log.warn(`connection refused: ${reason}`, { remote: plainAddress(socket.remoteAddress ?? "unknown") });
    socket.on("error", () => {});
    socket.destroy();
  }
}
