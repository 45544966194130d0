import type { ConfigSchema, StepMessage } from "./plugin.ts";
import type { Clock } from "./clock.ts";

/** One stage of a route, for one route: takes a message, emits none, one or several. Synchronous. */
export type Step = (message: StepMessage, emit: (message: StepMessage) => void) => void;

/** A kind of step, as core or a plugin offers it. */
export interface StepDefinition {
  /** One sentence for `busbar plugins` and the JSON Schema. */
  readonly description: string;
  readonly config: ConfigSchema;
  /** Makes the step for one route. `config` is checked. */
  create(config: never, context: { readonly clock: Clock }): Step;
}
