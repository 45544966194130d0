import type { Clock } from "../clock.ts";

/** Bytes per second of one peer. Who has sent more is not read until it is paid off: what it sends meanwhile waits in the network, and nothing is lost. */
export class ByteBudget {
  readonly #rate: number;
  readonly #clock: Clock;
  readonly #over: () => void;
  #left: number;
  #at = 0;
  #cancel: (() => void) | undefined;

  /** `rate`: bytes per second, of which those of one second may come at once. `over` is called when the peer may be read again. */
  constructor(rate: number, clock: Clock, over: () => void) {
    this.#rate = this.#left = rate;
    this.#clock = clock;
    this.#over = over;
  }

  /** Whether the peer has to wait. */
  get spent(): boolean {
    return this.#cancel !== undefined;
  }

  /** Takes note of that many bytes; true when the peer is to be paused from now on. The clock is read only when the budget seems spent. */
  spend(bytes: number): boolean {
    this.#left -= bytes;
    if (this.#left >= 0 || this.#cancel !== undefined) return false;
    const now = this.#clock.now();
    this.#left = Math.min(this.#rate, this.#left + ((now - this.#at) / 1000) * this.#rate);
    this.#at = now;
    if (this.#left >= 0) return false;
    this.#cancel = this.#clock.after(Math.ceil((-this.#left / this.#rate) * 1000), () => {
      this.#cancel = undefined;
      this.#over();
    });
    return true;
  }

  /** The session has ended. */
  end(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}
