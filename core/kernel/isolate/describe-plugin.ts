import { pathToFileURL } from "node:url";
import { checkSection } from "../../config/check-section.ts";
import { neededPorts, providedPorts } from "../../config/check-needs.ts";
import { checkManifest } from "../../config/permissions/check-manifest.ts";
import type { PluginPackage } from "../../config/permissions/plugin-manifest.ts";
import { pluginFault } from "../../config/plugin-fault.ts";
import type { Problem } from "../../config/problem.ts";
import { Reporter } from "../../config/reporter.ts";
import { toValue, type MapNode, type Path } from "../../config/source-tree.ts";
import { BusbarError } from "../../errors.ts";
import type { ListenerPlace } from "../../listener/exposure.ts";
import type { AnyPlugin } from "../../plugin.ts";
import { unpackTree, type PackedTree } from "./packed-tree.ts";

/** What is asked about a plugin that is to run in an isolate: what it is, and what it makes of its section of a config. */
export interface DescribeRequest {
  /** The file of the config, for problems. */
  readonly config: string;
  readonly package: PluginPackage;
  /** Where the section stands in the config, and the section itself, without the kernel's own keys. */
  readonly path: Path;
  readonly section: PackedTree;
  readonly besides: readonly string[];
}

/** What a plugin is and what it makes of its section, as plain values. */
export interface PluginDescription {
  readonly name: string;
  readonly description: string;
  readonly accepts: boolean;
  readonly needs: readonly { readonly key: string; readonly port: string; readonly optional: boolean }[];
  readonly provides: readonly string[];
  /** Where it will listen. */
  readonly listens: readonly ListenerPlace[];
  /** Names of the steps it offers to routes. */
  readonly steps: readonly string[];
  readonly problems: readonly Problem[];
  /** Where nothing is wrong: the section as plain values, and what the plugin's schema made of it. */
  readonly checked?: { readonly source: unknown; readonly output: unknown };
}

/** Loads a plugin and holds its section against its schema. @throws {BusbarError} CONFIG when it does not load or is no plugin. */
export async function describePlugin({ config, package: from, path, section, besides }: DescribeRequest): Promise<PluginDescription> {
  let plugin: AnyPlugin;
  try {
    ({ default: plugin } = (await import(pathToFileURL(from.file).href)) as { readonly default: AnyPlugin });
  } catch (error) {
    throw new BusbarError("CONFIG", `Cannot load the plugin from ${from.file}`, { cause: error });
  }
  const fault = pluginFault(plugin);
  if (fault !== undefined) throw new BusbarError("CONFIG", `Cannot use ${from.file} as a plugin: its default export is none, ${fault}`);
  const node = unpackTree(section) as MapNode;
  const root = path.reduceRight<MapNode>((below, key) => ({ kind: "map", place: below.place, entries: new Map([[String(key), { place: below.place, node: below }]]) }), node);
  const report = new Reporter(config);
  checkManifest(root, path, { package: from, schema: plugin.config }, report);
  const checked = checkSection({ root, path, node, schema: plugin.config, besides }, report);
  const keys = Object.keys((plugin.needs ?? {}) as object);
  return {
    name: plugin.name,
    description: plugin.description,
    accepts: plugin.accepts ?? false,
    needs: neededPorts(plugin).map((need, at) => ({ key: keys[at]!, ...need })),
    provides: providedPorts(plugin),
    listens: checked ? (plugin.listens?.(checked.output as never) ?? []) : [],
    steps: Object.keys(plugin.steps ?? {}),
    problems: report.problems(),
    ...(checked && { checked: { source: toValue(node), output: checked.output } }),
  };
}
