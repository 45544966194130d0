import * as v from "valibot";

/** A point of a series: a finite number at a time, in ms since the Unix epoch. */
export interface DoorPoint {
  readonly time: number;
  readonly value: number;
}

/** How a series is thinned. */
export interface DoorOptions {
  /** The error bound, in the unit of the value, ≥ 0. */
  readonly deviation: number;
  /** ms; a point nearer than this to the last one that was sent is not held to the bound. */
  readonly min: number;
  /** ms; the longest time between two points that are sent, as long as points come. */
  readonly max: number;
}

const kept = v.strictObject({
  sent: v.optional(v.looseObject({ time: v.number(), value: v.number() })),
  held: v.optional(v.looseObject({ time: v.number(), value: v.number() })),
  low: v.nullable(v.number()),
  high: v.nullable(v.number()),
});

/**
 * Thins one series by swinging door compression (E. H. Bristol, Swinging Door Trending, ISA 1990, in the form in which the door hangs at the point that was sent, not
 * beside it, so that the bound is `deviation` and not twice that): every point that is left out lies within `deviation` of the straight line between the two points
 * sent before and after it. The newest point is held back, as only the next one shows whether it is needed.
 *
 * The lines from the point sent last that pass all points since then at `deviation` or less lie between two slopes, the posts of the door. A new point whose own line
 * lies between them takes the held one's place, and narrows the door; else the held one is sent, and a new door hangs there.
 */
export class SwingingDoor<P extends DoorPoint> {
  readonly #options: DoorOptions;
  #sent: P | undefined;
  #held: P | undefined;
  #low = Number.NEGATIVE_INFINITY;
  #high = Number.POSITIVE_INFINITY;

  constructor(options: DoorOptions) {
    this.#options = options;
  }

  /** The newest point that was taken in. */
  get newest(): P | undefined {
    return this.#held ?? this.#sent;
  }

  /** The point that is held back. */
  get held(): P | undefined {
    return this.#held;
  }

  /**
   * Takes a point in and gives `send` those that are to be sent, oldest first: the held one, the new one, both or none. One of the newest's time and value is nothing new; one of its
   * time and another value is a jump, of which both sides are sent. A point older than the newest, after a source has set its clock back, begins anew.
   */
  add(point: P, send: (point: P) => void): void {
    const newest = this.newest;
    if (!newest) return this.#hang(point, send);
    if (point.time <= newest.time) {
      if (point.time === newest.time && point.value === newest.value) return;
      this.flush(send);
      return this.#hang(point, send);
    }
    if (this.#held && !this.#passes(point)) this.flush(send);
    const { time, value } = this.#sent!;
    const { deviation, min, max } = this.#options;
    const passed = point.time - time;
    if (passed >= max) return this.#hang(point, send);
    this.#held = point;
    if (passed < min) return;
    const rise = point.value - value;
    this.#low = Math.max(this.#low, (rise - deviation) / passed);
    this.#high = Math.min(this.#high, (rise + deviation) / passed);
  }

  /** Sends the held point. */
  flush(send: (point: P) => void): void {
    if (this.#held) this.#hang(this.#held, send);
  }

  /** Sends the held point and begins anew: what comes next has no line to what was before. */
  interrupt(send: (point: P) => void): void {
    this.flush(send);
    this.#sent = undefined;
  }

  /** What it knows, as plain JSON. Points go into it as they are. */
  snapshot(): unknown {
    const finite = (slope: number): number | null => (Number.isFinite(slope) ? slope : null);
    return { ...(this.#sent && { sent: this.#sent }), ...(this.#held && { held: this.#held }), low: finite(this.#low), high: finite(this.#high) };
  }

  /** Goes on from a snapshot. False when it is none; then nothing has changed. `P` is checked by its time and value only. */
  restore(snapshot: unknown): boolean {
    const { success, output } = v.safeParse(kept, snapshot);
    if (!success) return false;
    this.#sent = output.sent as unknown as P | undefined;
    this.#held = output.sent && (output.held as unknown as P | undefined);
    this.#low = output.low ?? Number.NEGATIVE_INFINITY;
    this.#high = output.high ?? Number.POSITIVE_INFINITY;
    return true;
  }

  /** Whether a line may go from the point sent last to this one: it passes the door, and is not longer than `max`. Values so large that the slope is lost never do. */
  #passes(point: P): boolean {
    const { time, value } = this.#sent!;
    const passed = point.time - time;
    const slope = (point.value - value) / passed;
    return slope >= this.#low && slope <= this.#high && Number.isFinite(slope) && passed <= this.#options.max;
  }

  #hang(point: P, send: (point: P) => void): void {
    this.#sent = point;
    this.#held = undefined;
    this.#low = Number.NEGATIVE_INFINITY;
    this.#high = Number.POSITIVE_INFINITY;
    send(point);
  }
}
