import type { Outlet } from "./outlet.ts";
import type { TagState } from "./tag-state.ts";

/** Tags that an event names at the most. */
const mostNamed = 20;

/** Says as events which faults a device has: one when a fault begins for the first of its tags, one when it is over for the last. */
export class FaultEvents {
  readonly #device: string;
  readonly #outlet: Outlet;
  #raised: ReadonlySet<string> = new Set();

  constructor(device: string, outlet: Outlet) {
    this.#device = device;
    this.#outlet = outlet;
  }

  /** Compares the tags with what was said before. */
  update(tags: readonly TagState[], timestamp: number): void {
    const failing = new Map<string, string[]>();
    for (const { fault, point } of tags) {
      if (fault === undefined) continue;
      const named = failing.get(fault);
      if (named) named.push(point.tag);
      else failing.set(fault, [point.tag]);
    }
    const before = this.#raised;
    this.#raised = new Set(failing.keys());
    for (const fault of before) if (!failing.has(fault)) this.#say(timestamp, { fault, state: "cleared", message: `${fault} is over` });
    for (const [fault, names] of failing) {
      if (before.has(fault)) continue;
      const some = names.length === tags.length ? "all tags" : names.length === 1 ? names[0] : `${names.length} tags`;
      this.#say(timestamp, { fault, state: "raised", tags: names.slice(0, mostNamed), count: names.length, message: `${fault}: ${some}` });
    }
  }

  #say(timestamp: number, payload: object): void {
    this.#outlet.event(this.#device, { timestamp, payload: { event: "fault", ...payload } });
  }
}
