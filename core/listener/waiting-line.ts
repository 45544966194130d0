import * as v from "valibot";
import type { Clock } from "../clock.ts";
import { duration, integer } from "../schema.ts";

/** The config fields of a waiting line. */
export const waitingLineFields = {
  length: v.pipe(v.optional(integer(0, 100_000), 1000), v.description("Connections that may wait for a free place; who finds the line full is turned away, unless another address has more in it. Default 1000, 0 to 100000.")),
  time: v.pipe(v.optional(duration(0, 600_000), "10s"), v.description("How long one may wait before it is turned away. Default 10s, up to 10m.")),
};

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

/**
 * Places and a line of those who wait for one, bounded in length and time, and fair between addresses: they take turns at places that become free, each address's guests in the order they
 * came; and where the line is full, the newest of the address with the most in it makes room for one of an address with fewer. So no address keeps another one out.
 */
export class WaitingLine {
  readonly #limits: WaitingLineLimits;
  readonly #clock: Clock;
  /** Those who wait, by address; whose turn is next comes first. */
  readonly #lines = new Map<string, Set<Asked>>();
  #taken = 0;
  #waiting = 0;

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
    return this.#waiting;
  }

  /** Asks for a place for a guest from there. Returns the function to call once the place, or the wait for it, is given up; calling it again does nothing. */
  ask(address: string, guest: Guest): () => void {
    const asked = new Asked(address, guest);
    if (this.#taken < this.#limits.places) this.#admit(asked);
    else if (this.#waiting >= this.#limits.length && !this.#makeRoomFor(address)) guest.refuse("line-full");
    else this.#queue(asked);
    return () => this.#leave(asked);
  }

  /** Turns away everybody who waits. Those who have a place keep it. */
  close(): void {
    for (const line of [...this.#lines.values()]) for (const asked of [...line]) this.#turnAway(asked, "closing");
  }

  #queue(asked: Asked): void {
    const line = this.#lines.get(asked.address);
    if (line) line.add(asked);
    else this.#lines.set(asked.address, new Set([asked]));
    this.#waiting++;
    asked.cancel = this.#clock.after(this.#limits.time, () => this.#turnAway(asked, "time"));
  }

  /** Whether there is room now for one more from there. */
  #makeRoomFor(address: string): boolean {
    let longest: Set<Asked> | undefined;
    for (const line of this.#lines.values()) if (line.size > (longest?.size ?? 0)) longest = line;
    if (longest === undefined || longest.size <= (this.#lines.get(address)?.size ?? 0) + 1) return false;
    this.#turnAway([...longest].at(-1)!, "line-full");
    return true;
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
    const [next] = this.#lines;
    if (next === undefined) return;
    const [address, line] = next;
    this.#lines.delete(address);
    this.#lines.set(address, line); // the others are first the next time
    this.#admit(line.values().next().value!);
  }

  #unqueue(asked: Asked): void {
    asked.cancel?.();
    asked.cancel = undefined;
    const line = this.#lines.get(asked.address);
    if (!line?.delete(asked)) return;
    this.#waiting--;
    if (line.size === 0) this.#lines.delete(asked.address);
  }
}

class Asked {
  readonly address: string;
  readonly guest: Guest;
  cancel: (() => void) | undefined = undefined;
  inside = false;

  constructor(address: string, guest: Guest) {
    this.address = address;
    this.guest = guest;
  }
}
