import type { CheckedRoute } from "../config/checked.ts";
import { isSameRoute } from "../config/diff.ts";
import { RouteStates } from "./route-states.ts";
import { RunningRoute, type RunningRouteOptions } from "./running-route.ts";

/** What routes run on. */
export interface RoutesOptions extends Omit<RunningRouteOptions, "save"> {
  /** Milliseconds between two looks at what steps remember. */
  readonly stateEvery: number;
}

/** The routes of a gateway. What their steps remember is written to the journal now and then and at the stop, where the journal is one that lasts. Routes that a reload leaves as they are run on. */
export class Routes {
  readonly #options: RoutesOptions & RunningRouteOptions;
  readonly #states: RouteStates;
  #running: readonly RunningRoute[] = [];
  #durable = false;
  #stop = (): void => {};

  constructor(options: RoutesOptions) {
    this.#options = { ...options, save: (route) => this.#durable && route.save(this.#states) };
    this.#states = new RouteStates(options);
  }

  /** Starts the routes; the bus is just being opened. `durable`: whether the journal outlasts the gateway. */
  open(routes: readonly CheckedRoute[], { durable }: { readonly durable: boolean }): void {
    const { clock, stateEvery } = this.#options;
    const stored = this.#states.read();
    this.#running = routes.map((checked) => new RunningRoute(checked, stored.get(checked.name), this.#options));
    this.#durable = durable;
    if (!durable) return;
    for (const name of stored.keys()) if (!this.#running.some((one) => one.keeps && one.checked.name === name)) this.#states.clear(name);
    this.#save(); // where there was none yet, messages are known to be missing from here on
    this.#stop = clock.every(stateEvery, () => this.#save());
  }

  /** Runs these routes instead. One that is another than before takes over what steps of the same place and name remember. */
  change(routes: readonly CheckedRoute[]): void {
    const old = new Map(this.#running.map((one) => [one.checked.name, one]));
    this.#running = routes.map((checked) => {
      const before = old.get(checked.name);
      old.delete(checked.name);
      if (before && isSameRoute(before.checked, checked)) return before;
      const stored = before?.state();
      before?.close();
      return new RunningRoute(checked, stored, this.#options);
    });
    for (const gone of old.values()) {
      gone.close();
      if (this.#durable && gone.keeps) this.#states.clear(gone.checked.name);
    }
    this.#save();
  }

  /** Ends all routes. What their steps remember is on its way to the journal then. */
  close(): void {
    this.#stop();
    this.#save();
    for (const one of this.#running) one.close();
    this.#running = [];
  }

  #save(): void {
    if (this.#durable) for (const one of this.#running) one.save(this.#states);
  }
}
