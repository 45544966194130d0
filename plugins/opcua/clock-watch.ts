import type { Clock } from "@busbar/core";

/** What watches the clock of a device. */
export interface ClockWatchOptions {
  readonly clock: Clock;
  readonly tell: (payload: Readonly<Record<string, unknown>>) => void;
  /** Milliseconds without a wrong time after which the clock is right again. */
  readonly calm: number;
}

/** Tells when the source times of a device begin to be wrong, and when they are right again: an event each, however many values it concerns. */
export class ClockWatch {
  readonly #options: ClockWatchOptions;
  #wrongAt: number | undefined;

  constructor(options: ClockWatchOptions) {
    this.#options = options;
  }

  /** Takes note of a value: how many ms its time is off, 0 for a right one. */
  see(offset: number): void {
    if (offset === 0) return;
    const { clock, tell } = this.#options;
    if (this.#wrongAt === undefined) tell({ event: "clock", state: "wrong", offset, message: `the clock of the source is ${offset} ms off` });
    this.#wrongAt = clock.now();
  }

  /** To be called now and then. */
  look(): void {
    const { clock, tell, calm } = this.#options;
    if (this.#wrongAt === undefined || clock.now() - this.#wrongAt < calm) return;
    this.#wrongAt = undefined;
    tell({ event: "clock", state: "right", message: "the clock of the source is right again" });
  }
}
