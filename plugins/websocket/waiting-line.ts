import type { Clock } from "@busbar/core";

/** One who waits. */
interface Waiter {
  enter(): void;
  readonly cancel: () => void;
}

/**
 * Places and a line of those who wait for one: first come, first served, bounded in length and time.
 */
export class WaitingLine {
  readonly #limits: { readonly places: number; readonly length: number; readonly time: number };
  readonly #clock: Clock;
  readonly #line = new Set<Waiter>();
  #taken = 0;

  constructor(limits: { readonly places: number; readonly length: number; readonly time: number }, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  get taken(): number {
    return this.#taken;
  }

  get waiting(): number {
    return this.#line.size;
  }

  /**
   * Asks for a place. Calls `enter` at once, or when a place becomes free; calls `refuse` at once when the line is full, or when the time in it is spent.
   * Returns the function to call when the place, or the wait for it, is given up.
   */
  ask(enter: () => void, refuse: () => void): () => void {
    let state: "waiting" | "inside" | "out" = "waiting";
    const leave = (): void => {
      if (state === "inside") this.#release();
      state = "out";
      waiter.cancel();
      this.#line.delete(waiter);
    };
    const go = (): void => {
      state = "inside";
      this.#taken++;
      this.#line.delete(waiter);
      waiter.cancel();
      enter();
    };
    const turnAway = (): void => {
      state = "out";
      this.#line.delete(waiter);
      refuse();
    };
    let cancel = (): void => {};
    const waiter: Waiter = { enter: go, cancel: () => cancel() };
    if (this.#taken < this.#limits.places) go();
    else if (this.#line.size >= this.#limits.length) turnAway();
    else {
      cancel = this.#clock.after(this.#limits.time, turnAway);
      this.#line.add(waiter);
    }
    return leave;
  }

  #release(): void {
    this.#taken--;
    const next = this.#line.values().next().value;
    if (next) next.enter();
  }
}
