import type { Clock } from "@busbar/core";

/** Why somebody was turned away: the line was full, the time in it was spent, or the listener ends. */
export type Refusal = "line-full" | "time" | "closing";

/** One who asks for a place. Exactly one of these is called, once, unless it leaves before. */
export interface Guest {
  /** It has a place; called within `ask`, or when a place becomes free. */
  enter(): void;
  /** It gets none; called within `ask`, or later. */
  refuse(reason: Refusal): void;
}

/** How many places there are, how many may wait for one, and how many ms. */
export interface WaitingLineLimits {
  readonly places: number;
  readonly length: number;
  readonly time: number;
}

/** Places and a line of those who wait for one: first come, first served, bounded in length and time. */
export class WaitingLine {
  readonly #limits: WaitingLineLimits;
  readonly #clock: Clock;
  readonly #line = new Set<Asked>();
  #taken = 0;

  constructor(limits: WaitingLineLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** Places that are taken. */
  get taken(): number {
    return this.#taken;
  }

  /** Guests that wait. */
  get waiting(): number {
    return this.#line.size;
  }

  /** Asks for a place. Returns the function to call once the place, or the wait for it, is given up; calling it again does nothing. */
  ask(guest: Guest): () => void {
    const asked = new Asked(guest);
    if (this.#taken < this.#limits.places) this.#admit(asked);
    else if (this.#line.size >= this.#limits.length) this.#turnAway(asked, "line-full");
    else {
      this.#line.add(asked);
      asked.cancel = this.#clock.after(this.#limits.time, () => this.#turnAway(asked, "time"));
    }
    return () => this.#leave(asked);
  }

  /** Turns away everybody who waits. Those who have a place keep it. */
  close(): void {
    for (const asked of [...this.#line]) this.#turnAway(asked, "closing");
  }

  #admit(asked: Asked): void {
    this.#unqueue(asked);
    asked.inside = true;
    this.#taken++;
    asked.guest.enter();
  }

  #turnAway(asked: Asked, reason: Refusal): void {
    this.#unqueue(asked);
    asked.guest.refuse(reason);
  }

  #leave(asked: Asked): void {
    this.#unqueue(asked);
    if (!asked.inside) return;
    asked.inside = false;
    this.#taken--;
    const next = this.#line.values().next().value;
    if (next) this.#admit(next);
  }

  #unqueue(asked: Asked): void {
    asked.cancel?.();
    asked.cancel = undefined;
    this.#line.delete(asked);
  }
}

class Asked {
  readonly guest: Guest;
  cancel: (() => void) | undefined = undefined;
  inside = false;

  constructor(guest: Guest) {
    this.guest = guest;
  }
}
