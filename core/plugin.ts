import type * as v from "valibot";
import type { Bus } from "./bus.ts";
import type { Clock } from "./clock.ts";
import type { Draft, Envelope } from "./envelope.ts";
import type { Announcement } from "./gateway.ts";
import type { ListenerPlace } from "./listener/exposure.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import type { OptionalPort, Port } from "./ports.ts";
import type { StepDefinition } from "./step.ts";

/** The schema of a plugin's config: a strict valibot object, each field with a default, a description (unit, range) and a limit. */
export type ConfigSchema = v.GenericSchema<unknown, unknown>;

/** The roles a plugin needs, by the names under which it gets them. */
export type Needs = Readonly<Record<string, Port<never> | OptionalPort<never> | Port<any> | OptionalPort<any>>>;

/** The roles a plugin provides, by the names under which its setup returns them. */
export type Provides = Readonly<Record<string, Port<any>>>;

/** What stands behind the names in `needs`. */
export type Needed<N extends Needs> = { readonly [K in keyof N]: N[K] extends Port<infer T> ? T : N[K] extends OptionalPort<infer T> ? T | undefined : never };

/** What setup returns for the names in `provides`. */
export type Provided<P extends Provides> = { readonly [K in keyof P]: P[K] extends Port<infer T> ? T : never };

/** What a plugin instance works with: everything it may touch. */
export interface PluginContext<C = unknown, N extends Needs = Needs> {
  /** The instance's id, as in the config. */
  readonly id: string;
  /** Checked, with all defaults filled in. */
  readonly config: C;
  readonly needs: Needed<N>;
  /** Speaks in the instance's name: `from` is its id unless the draft says otherwise. Messages published during setup wait until the bus opens. */
  readonly bus: Bus;
  readonly log: Log;
  /** The only source of time. A callback that throws makes the instance restart, as a task that throws does. */
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** Aborts when the instance is to stop. */
  readonly signal: AbortSignal;
  /** Registers what undoes a step of setup. Called last in, first out, after the tasks have ended; each is given 5 s, one that fails does not keep the others from running. */
  defer(cleanup: () => void | Promise<void>): void;
  /**
   * Runs a loop until it returns or the instance stops. When it throws it is started again with growing pauses (0.1 s doubling to 30 s, with jitter).
   * It must end when its signal aborts.
   */
  run(task: (signal: AbortSignal) => Promise<void>): void;
  /** Says that a setup that takes long is getting on: its `setupTimeout` begins anew. For work whose length nobody knows, such as the repair of a large file. */
  progress(): void;
  /** Gives the instance up: it is stopped and set up anew, alone, with growing pauses. For errors that arrive by event. */
  fail(error: unknown): void;
  /** Says what can be reached where; shown by `busbar start` and /api/plugins. */
  announce(announcement: Announcement): void;
  /**
   * Looks again at what the plugin has read from files, such as a certificate: called when the gateway reloads and leaves this instance as it is. `handler` gives what is new in a
   * few words, or undefined; what it throws refuses the reload, so it must leave in use what was.
   */
  onRefresh(handler: () => Promise<string | undefined>): void;
  /** Takes what routes with this instance as destination (`to: <id>`) send. Only for plugins that say `accepts: true`. */
  accept(handler: (message: Envelope) => void | Promise<void>): void;
  /** An absolute path for a path of the config: relative ones lie below the working directory of the gateway. */
  path(relative: string): string;
}

/** A plugin as its author writes it. */
export interface PluginDefinition<S extends ConfigSchema = ConfigSchema, N extends Needs = Needs, P extends Provides = Provides> {
  /** Lower case with dashes; what a config says in `use`. */
  readonly name: string;
  /** One sentence for `busbar plugins`. */
  readonly description: string;
  readonly config: S;
  readonly needs?: N;
  readonly provides?: P;
  /** Whether routes may name an instance of it as their destination. Default false. */
  readonly accepts?: boolean;
  /** Where an instance with this config will listen. The kernel refuses what must have TLS and has not, and warns about what goes without. */
  listens?(config: v.InferOutput<S>): readonly ListenerPlace[];
  /** Steps that routes may use while an instance of it is in the config. */
  readonly steps?: Readonly<Record<string, StepDefinition>>;
  /**
   * Opens everything; whatever it opens it hands to `ctx.defer` at once. The bus opens, and data flows, after the setups of all plugins.
   * Must settle within the config's `setupTimeout`, counted from its last `ctx.progress()`.
   */
  setup(ctx: PluginContext<v.InferOutput<S>, N>): Provided<P> | Promise<Provided<P>> | (Record<string, never> extends Provided<P> ? void | Promise<void> : never);
}

/** Any plugin, whatever its config. */
export type AnyPlugin = PluginDefinition<any, any, any>;

/** Defines a plugin: a named unit with a config schema and one `setup`. The call only helps the type checker. */
export function definePlugin<const S extends ConfigSchema, const N extends Needs = {}, const P extends Provides = {}>(definition: PluginDefinition<S, N, P>): PluginDefinition<S, N, P> {
  return definition;
}

/** What a step sees of the message it works on and hands on: a draft whose `from`, `to`, `timestamp` and `topic` are known. */
export type StepMessage = Draft & { readonly from: string; readonly to: string; readonly timestamp: number; readonly topic: string };
