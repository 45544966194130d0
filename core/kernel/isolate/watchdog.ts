import type { Clock } from "../../clock.ts";
import type { Container } from "./container.ts";

/** How an isolate is watched. */
export interface WatchdogOptions {
  readonly clock: Clock;
  readonly container: Container;
  /** Bytes it may take. */
  readonly memory: number;
  /** Milliseconds of silence after which it is ended. */
  readonly stall: number;
  /** Whether the gateway itself does not listen to it at the moment. */
  readonly deaf: () => boolean;
  /** Called once with what is wrong. */
  readonly onFault: (reason: string, kind: "stalled" | "memory") => void;
}

/** Milliseconds between two looks. */
const period = 250;
/** A sign of life comes every 500 ms: one that is this late says that the isolate computes. Milliseconds. */
const lateSign = 1000;
/** What a bare process takes before any plugin of it does anything. Bytes. */
const bareProcess = 128 * 1024 ** 2;
const mebibyte = 1024 ** 2;

/** Sees when an isolate spins or eats memory. Its silence counts from its first sign of life: until then the time for setup is what limits it. */
export class Watchdog {
  readonly #options: WatchdogOptions;
  readonly #stop: () => void;
  #lastSign: number | undefined;
  #lastLook: number;
  #resident: number | undefined;

  constructor(options: WatchdogOptions) {
    this.#options = options;
    this.#lastLook = options.clock.now();
    this.#stop = options.clock.every(period, () => this.#look());
  }

  /** It has said that it lives, and how many bytes it uses. */
  sign(used: number): void {
    this.#lastSign = this.#options.clock.now();
    this.#resident = this.#options.container.memory();
    if (used > this.#options.memory) this.#fault(`it uses ${Math.round(used / mebibyte)} MiB, more than ${Math.round(this.#options.memory / mebibyte)}`, "memory");
  }

  /** Ends watching. */
  close(): void {
    this.#stop();
  }

  #look(): void {
    const { clock, container, memory, stall, deaf } = this.#options;
    const now = clock.now();
    const late = now - this.#lastLook;
    this.#lastLook = now;
    if (this.#lastSign === undefined) return;
    if (deaf() || late > period * 4) this.#lastSign = now; // it is the gateway that did not listen
    const silent = now - this.#lastSign;
    if (silent > stall) return this.#fault(`it has said nothing for ${silent} ms`, "stalled");
    const resident = container.memory();
    if (resident === undefined) return;
    if (container.ownMemory ? resident > memory + bareProcess : silent > lateSign && this.#resident !== undefined && resident - this.#resident > memory) {
      this.#fault(`it takes more memory than ${Math.round(memory / mebibyte)} MiB`, "memory");
    }
  }

  #fault(reason: string, kind: "stalled" | "memory"): void {
    this.#stop();
    this.#options.onFault(reason, kind);
  }
}
