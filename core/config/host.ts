import type { AnyPlugin } from "../plugin.ts";
import type { DescribeRequest, PluginDescription } from "../kernel/isolate/describe-plugin.ts";
import type { PluginPackage } from "./permissions/plugin-manifest.ts";

/** What reading a config needs from the machine. `systemConfigHost` is the real one; a test hands in its own. */
export interface ConfigHost {
  /** The value of an environment variable, or undefined. */
  env(name: string): string | undefined;
  /** The path of something that the file `file` names: relative to the folder of that file. */
  resolve(file: string, relative: string): string;
  /** The text of a file. @throws when it cannot be read. */
  readText(path: string): Promise<string>;
  /** The module at a path, evaluated anew when the file has changed. @throws whatever it throws. */
  importModule(path: string): Promise<Readonly<Record<string, unknown>>>;
  /**
   * The plugin that the config `file` calls `use`.
   * @throws {BusbarError} NOT_FOUND when there is none of that name, CONFIG when what is there is no plugin or does not load.
   */
  loadPlugin(use: string, file: string): Promise<AnyPlugin>;
  /** Where the code of that plugin is and what it asks for; undefined when there is none of that name. Runs no plugin code. */
  pluginPackage(use: string, file: string): Promise<PluginPackage | undefined>;
  /** Asks that plugin, in an isolate without any permission, what it is and what it makes of its section. @throws {BusbarError} CONFIG when it does not load. */
  probePlugin(request: DescribeRequest): Promise<PluginDescription>;
  /** The names of all plugins that the config `file` could use. Runs no plugin code. */
  installed(file: string): Promise<readonly string[]>;
}
