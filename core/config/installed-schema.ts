import { errorText } from "../errors.ts";
import { listPlugins, loadPlugin } from "./discover.ts";
import { configJsonSchema, formatJsonSchema, type SchemaPlugin } from "./json-schema.ts";

/** The JSON Schema of the plugins that are installed. */
export interface InstalledSchema {
  /** The text of a busbar.schema.json. */
  readonly text: string;
  /** Plugins that are not in it because they do not load, and why. */
  readonly failures: readonly { readonly name: string; readonly reason: string }[];
}

/** Makes the JSON Schema of all plugins that a config in `folder` could use. Runs their modules, but no setup. For `busbar check --schema` and examples/default/busbar.schema.json. */
export async function installedJsonSchema(folder: string): Promise<InstalledSchema> {
  const plugins: SchemaPlugin[] = [];
  const failures: { name: string; reason: string }[] = [];
  for (const { name } of await listPlugins(folder)) {
    try {
      plugins.push({ use: name, plugin: await loadPlugin(name, folder) });
    } catch (error) {
      failures.push({ name, reason: errorText(error) });
    }
  }
  return { text: formatJsonSchema(configJsonSchema(plugins)), failures };
}
