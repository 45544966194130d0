import type * as v from "valibot";
import { keysOf, innerSchema } from "../schema-walk.ts";
import { suggest } from "../nearest.ts";
import type { Reporter } from "../reporter.ts";
import type { Path, SourceNode } from "../source-tree.ts";
import { permissionKinds } from "./manifest.ts";
import type { PluginPackage } from "./plugin-manifest.ts";
import { fieldsOf, hasField } from "./template.ts";

/** Reports what is wrong with the permissions of a plugin: its package.json says them wrongly, or they name a field that its config does not have. */
export function checkManifest(root: SourceNode, path: Path, plugin: { readonly package: PluginPackage; readonly schema: v.GenericSchema }, report: Reporter): void {
  const { manifest, fault } = plugin.package;
  if (fault !== undefined) report.key(root, path, `the permissions in the plugin's package.json are wrong: ${fault}`);
  for (const kind of permissionKinds) {
    for (const entry of manifest[kind]) {
      const unknown = fieldsOf(entry).find((name) => !hasField(plugin.schema, name));
      if (unknown === undefined) continue;
      const hint = suggest(unknown, keysOf(innerSchema(plugin.schema)) ?? []);
      report.key(root, path, `the plugin's package.json asks for ${kind} ${JSON.stringify(entry)}, but its config has no field ${JSON.stringify(unknown)}`, hint);
    }
  }
}
