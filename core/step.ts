import type * as v from "valibot";
import type { Bus } from "./bus.ts";
import type { Clock } from "./clock.ts";
import type { Log } from "./log.ts";
import type { ConfigSchema, StepMessage } from "./plugin.ts";

/**
 * One stage of a route, for one route: takes a message, emits none, one or several, all before it returns. What it emits goes through the steps behind it at once. The payload it is
 * given is shared: a step that changes it makes a new one. A message that goes out with the `msgid` it came with gets one that follows from its source; see `StepContext.msgid` for others.
 */
export type Step = (message: StepMessage, emit: (message: StepMessage) => void) => void;

/** What a step had kept. */
export interface Kept {
  /** Plain JSON as the step gave it, to be checked like anything that comes from outside. */
  readonly state: unknown;
  /** Whether the step had the config that it has now. What a step remembers of another one is often of no use. */
  readonly sameConfig: boolean;
}

/** What a step works with: everything it may touch. It ends with the route, at the stop of the gateway or at a reload that changes the route. */
export interface StepContext {
  /** The only source of time. Timers end with the route; what one of them throws is logged. */
  readonly clock: Clock;
  /** Lines carry the names of route and step; the same line is written at most once a second. */
  readonly log: Log;
  /** Speaks in the name of `owner`. What it subscribes to ends with the route. For steps that are spoken to, by commands for one; everything else goes through `emit`. */
  readonly bus: Pick<Bus, "publish" | "deliver" | "subscribe">;
  /** The id of the plugin instance that brings the step; "gateway" for core's own. */
  readonly owner: string;
  /** The name of the route, unique in the gateway, and the step's place in it from 0. */
  readonly route: string;
  readonly index: number;
  /** Sends a message onward outside of a call, through the steps behind this one: a window that closed, a heartbeat. What these throw is logged. After the end of the route it goes nowhere. */
  emit(message: StepMessage): void;
  /**
   * A msgid for a message that follows from what the step knows and from no single source. It depends on the parts and on the step's place only, so parts that say what the message is, such as topic, tag
   * and end of a window, give the same msgid when it is made again after a crash, and with qos 1 or 2 it is delivered once. 22 characters.
   */
  msgid(...parts: readonly (string | number)[]): string;
  /**
   * Keeps the step's state across restarts: gives what it had kept, undefined the first time, and from then on asks `snapshot` for plain JSON every `gateway.stateEvery`, at the stop and at a reload. To be called once, in `create`.
   * @throws {TypeError} when it is called twice.
   */
  keep(snapshot: () => unknown): Kept | undefined;
  /**
   * Has what the steps of the route keep written now, before anything that is delivered after this call: an answer that says "done" is in the journal only where what was done is there too. For what happens now and then,
   * such as a command of an operator.
   */
  save(): void;
  /** Counts something an operator wants to see, in `busbar_step_total{route, step, what}`. `what`: a few fixed words with dashes, such as "late" or "failed". */
  count(what: string): void;
  /** Registers what undoes something that `create` did; called when the route ends. The step can no longer emit then. */
  defer(cleanup: () => void): void;
}

/** A kind of step, as core or a plugin offers it. */
export interface StepDefinition {
  /** One sentence for `busbar plugins` and the JSON Schema. */
  readonly description: string;
  readonly config: ConfigSchema;
  /** Makes the step for one route. `config` is checked. */
  create(config: never, context: StepContext): Step;
}

/** Defines a step. The call only helps the type checker: `create` gets what the schema makes of the config. */
export function defineStep<const S extends ConfigSchema>(definition: {
  readonly description: string;
  readonly config: S;
  create(config: v.InferOutput<S>, context: StepContext): Step;
}): StepDefinition {
  return definition;
}
