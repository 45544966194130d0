import type { Clock } from "@busbar/core";
import * as v from "valibot";
import { type Fault, type FaultInput, faultSchema } from "./fault.ts";
import { PlantError } from "./plant-error.ts";

/** A fault that is there now. */
export interface ActiveFault {
  /** What it is cleared by: `f1`, `f2`, … */
  readonly id: string;
  readonly fault: Fault;
  /** Milliseconds since the Unix epoch at which it began. */
  readonly since: number;
  /** How many requests it has struck. */
  readonly hits: number;
}

/** Called after the fact; it must not throw. */
export interface FaultListener {
  began?(active: ActiveFault): void;
  ended?(active: ActiveFault): void;
}

/** Most faults at once. */
const maxFaults = 1_000;

interface Held {
  readonly id: string;
  readonly fault: Fault;
  readonly since: number;
  hits: number;
}

/** The faults that a plant has. Everybody who plays one looks at `active`; the first that fits counts. */
export class Faults {
  readonly #clock: Clock;
  readonly #held: Held[] = [];
  /** By id: what cancels the end of those that end by themselves. */
  readonly #timers = new Map<string, () => void>();
  readonly #listeners = new Set<FaultListener>();
  #last = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Those that are there now, oldest first. */
  get active(): readonly ActiveFault[] {
    return this.#held;
  }

  /**
   * Lets a fault begin; it ends after its `for`, after its `count`, or when it is cleared.
   * @throws {PlantError} BAD_COMMAND naming what is wrong with it, or when there are 1,000 already.
   */
  inject(input: FaultInput): ActiveFault {
    const checked = v.safeParse(faultSchema, input);
    if (!checked.success) throw new PlantError("BAD_COMMAND", `Cannot inject the fault: ${checked.issues.map((issue) => `${v.getDotPath(issue) ?? "fault"}: ${issue.message}`).join("; ")}`);
    return this.begin(checked.output);
  }

  /**
   * The same for a fault that is checked.
   * @throws {PlantError} BAD_COMMAND when there are 1,000 already.
   */
  begin(fault: Fault): ActiveFault {
    if (this.#held.length >= maxFaults) throw new PlantError("BAD_COMMAND", `Cannot inject the fault: ${maxFaults} are there already`);
    const held: Held = { id: `f${++this.#last}`, fault, since: this.#clock.now(), hits: 0 };
    this.#held.push(held);
    if (fault.for !== undefined) this.#timers.set(held.id, this.#clock.after(fault.for, () => this.#end(held)));
    for (const listener of this.#listeners) listener.began?.(held);
    return held;
  }

  /** Ends the faults that `which` says, of all the one with that id, or every one. Returns how many. */
  clear(which: string | ((active: ActiveFault) => boolean) = () => true): number {
    const ending = this.#held.filter((held) => (typeof which === "string" ? held.id === which : which(held)));
    for (const held of ending) this.#end(held);
    return ending.length;
  }

  /** Says that a fault has struck a request: it is over after its `count`. */
  struck(active: ActiveFault): void {
    const held = this.#held.find(({ id }) => id === active.id);
    if (!held) return;
    held.hits++;
    if ("count" in held.fault && held.fault.count !== undefined && held.hits >= held.fault.count) this.#end(held);
  }

  /** Tells `listener` of what begins and ends from now on. Returns the function that ends it. */
  listen(listener: FaultListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Forgets all faults without telling anybody: the plant is taken down. */
  close(): void {
    this.#listeners.clear();
    this.clear();
  }

  #end(held: Held): void {
    const at = this.#held.indexOf(held);
    if (at < 0) return;
    this.#held.splice(at, 1);
    this.#timers.get(held.id)?.();
    this.#timers.delete(held.id);
    for (const listener of this.#listeners) listener.ended?.(held);
  }
}
