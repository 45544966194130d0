import type * as v from "valibot";
import type { AnyPlugin } from "../plugin.ts";
import type { gatewaySchema } from "./settings.ts";

/** The section of one plugin instance. In a module `use` may be the plugin itself. */
export interface PluginSection {
  /** The plugin: its name, a path such as ./my-plugin.ts, or the plugin itself. Default: the instance's id. */
  readonly use?: string | AnyPlugin;
  /** Whether the gateway is not ready without it. Default true. */
  readonly required?: boolean;
  /** The plugin's own settings. */
  readonly [setting: string]: unknown;
}

/** A route as it is written. */
export interface RouteSection {
  /** Default `route-<index>`. */
  readonly name?: string;
  /** A topic filter, such as status/+/#. */
  readonly from: string;
  /** What is done to each message, in order; each an object of one key, the step's name. */
  readonly steps?: readonly Readonly<Record<string, unknown>>[];
  /** A topic such as event/alarm/{id}, or the id of a plugin instance that accepts messages. */
  readonly to: string;
}

/** A config as it is written, before it is checked. */
export interface ConfigSource {
  readonly plugins: Readonly<Record<string, PluginSection | null>>;
  readonly routes?: readonly RouteSection[];
  readonly gateway?: v.InferInput<typeof gatewaySchema>;
}

/** Defines the config in a module: `export default defineConfig({ plugins: { … } })`. The call only helps the type checker; `loadConfig` checks it like any other. */
export function defineConfig(config: ConfigSource): ConfigSource {
  return config;
}
