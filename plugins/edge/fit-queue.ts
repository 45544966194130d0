import type { Clock } from "@busbar/core";
import type { Forecaster } from "./forecaster.ts";

/** Values that a fit may go through in one turn: about a millisecond. */
const turn = 20_000;

/** Fits forecasters one after the other, a little in each turn, so that messages pass in between. */
export class FitQueue {
  readonly #clock: Clock;
  readonly #waiting = new Map<Forecaster, () => void>();
  #running: { readonly forecaster: Forecaster; readonly steps: Generator<void, void> } | undefined;
  #cancel = (): void => {};

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Fits a forecaster when its turn comes, and calls `done` then. One that waits already waits on. */
  add(forecaster: Forecaster, done: () => void): void {
    if (this.#waiting.has(forecaster)) return;
    this.#waiting.set(forecaster, done);
    if (this.#waiting.size === 1) this.#next();
  }

  /** Forgets a forecaster. */
  delete(forecaster: Forecaster): void {
    this.#waiting.delete(forecaster);
    if (this.#running?.forecaster === forecaster) this.#running = undefined;
  }

  /** Ends it. */
  close(): void {
    this.#waiting.clear();
    this.#running = undefined;
    this.#cancel();
  }

  #next(): void {
    this.#cancel();
    this.#cancel = this.#clock.after(1, () => this.#run());
  }

  #run(): void {
    const [first] = this.#waiting;
    if (first === undefined) return;
    const [forecaster, done] = first;
    const running = this.#running ?? (this.#running = { forecaster, steps: forecaster.fit() });
    for (let left = turn; left > 0; left -= forecaster.state.history.length + 1) {
      if (!running.steps.next().done) continue;
      this.delete(forecaster);
      done();
      break;
    }
    if (this.#waiting.size > 0) this.#next();
  }
}
