import type { AnyPlugin } from "../plugin.ts";
import type { IsolateSettings } from "../kernel/isolate/isolate-settings.ts";
import type { PluginPackage } from "./permissions/plugin-manifest.ts";
import type { StepDefinition } from "../step.ts";
import type { GatewaySettings } from "./settings.ts";

/** A whole config that has been found right: what the kernel runs. */
export interface CheckedConfig {
  /** The file it was read from, as it was named. */
  readonly file?: string | undefined;
  /** In the order of the config; the kernel finds the order of setup from the needs. */
  readonly instances: readonly CheckedInstance[];
  readonly routes: readonly CheckedRoute[];
  readonly gateway: GatewaySettings;
}

/** One plugin instance of a config. */
export interface CheckedInstance {
  readonly id: string;
  readonly plugin: AnyPlugin;
  /** Whether the gateway is not ready without it. */
  readonly required: boolean;
  /** What the plugin's schema made of its section, with all defaults filled in. May hold secrets: never to be logged or shown. */
  readonly config: unknown;
  /** The limits of its isolate; undefined where it runs in the gateway itself. */
  readonly isolate?: IsolateSettings | undefined;
  /** Where its code is and what it may touch; undefined for a plugin that a config in TypeScript holds itself. */
  readonly package?: PluginPackage | undefined;
  /** The section as it was read, after interpolation, without `use`, `required` and `isolate`: what a reload compares. May hold secrets too. */
  readonly source: unknown;
}

/** One step of a route. */
export interface CheckedStep {
  readonly name: string;
  /** The id of the plugin instance that brings it; undefined for core's own. */
  readonly owner?: string | undefined;
  readonly definition: StepDefinition;
  /** Checked, with all defaults filled in. */
  readonly config: unknown;
}

/** Where a route's messages go: to a topic, or into the `accept` handler of a plugin instance. */
export type Destination = { readonly kind: "topic"; readonly template: string } | { readonly kind: "plugin"; readonly id: string };

/** One route of a config. */
export interface CheckedRoute {
  /** Unique within the config. */
  readonly name: string;
  /** The topic filter of the messages it takes. */
  readonly from: string;
  readonly steps: readonly CheckedStep[];
  readonly to: Destination;
  /** The section as it was read, after interpolation: what a reload compares. */
  readonly source: unknown;
}
