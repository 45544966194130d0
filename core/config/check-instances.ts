import { BusbarError, errorText } from "../errors.ts";
import type { AnyPlugin } from "../plugin.ts";
import { isId, isReservedId } from "../topic.ts";
import { checkIsolate, checkIsolated } from "./check-isolated.ts";
import { checkSection } from "./check-section.ts";
import type { CheckedInstance } from "./checked.ts";
import type { ConfigHost } from "./host.ts";
import { kernelKeys } from "./kernel-keys.ts";
import { suggest } from "./nearest.ts";
import { checkManifest } from "./permissions/check-manifest.ts";
import { pluginFault } from "./plugin-fault.ts";
import type { Reporter } from "./reporter.ts";
import { showNode, toValue, type MapNode, type Path, type SourceNode } from "./source-tree.ts";

/** An instance as far as it could be understood. */
export interface FoundInstance {
  readonly id: string;
  /** Undefined when its plugin could not be loaded, which has been reported. */
  readonly plugin: AnyPlugin | undefined;
  /** Undefined when something is wrong with it, which has been reported. */
  readonly checked: CheckedInstance | undefined;
}

const nothing: Omit<MapNode, "place"> = { kind: "map", entries: new Map() };

/** Checks the `plugins` section: ids, plugins, and each plugin's config against its schema. */
export async function checkInstances(root: SourceNode, file: string, host: ConfigHost, report: Reporter): Promise<readonly FoundInstance[]> {
  const entry = root.kind === "map" ? root.entries.get("plugins") : undefined;
  if (!entry) {
    report.key(root, ["plugins"], "missing; it must be a map of plugin instances");
    return [];
  }
  const { node } = entry;
  if (node.kind !== "map") {
    if (node.kind !== "scalar" || !node.broken) report.value(root, ["plugins"], `must be a map of plugin instances, not ${showNode(node)}`);
    return [];
  }
  return await Promise.all([...node.entries].map(([id, { node: section }]) => checkInstance(root, id, section, file, host, report)));
}

async function checkInstance(root: SourceNode, id: string, section: SourceNode, file: string, host: ConfigHost, report: Reporter): Promise<FoundInstance> {
  const path: Path = ["plugins", id];
  const idIsRight = checkInstanceId(root, id, report);
  const map = section.kind === "map" ? section : section.kind === "scalar" && section.value === null && !section.broken ? { ...nothing, place: section.place } : undefined;
  if (!map) {
    if (section.kind !== "scalar" || !section.broken) report.value(root, path, `must be a map, not ${showNode(section)}`);
    return { id, plugin: undefined, checked: undefined };
  }
  const required = checkRequired(root, path, map, report);
  const isolate = checkIsolate(root, path, map, report);
  if (isolate === "wrong") return { id, plugin: undefined, checked: undefined };
  const use = useOf(id, map);
  const node: MapNode = { ...map, entries: new Map([...map.entries].filter(([key]) => !kernelKeys.some((own) => own === key))) };
  if (isolate !== undefined) {
    const found = await checkIsolated({ root, path, id, use, node, file, host, isolate }, report);
    return { id, plugin: found?.plugin, checked: found?.checked && idIsRight && required !== undefined ? { ...found.checked, id, required } : undefined };
  }
  const plugin = await findPlugin(root, id, map, file, host, report);
  if (!plugin) return { id, plugin: undefined, checked: undefined };
  const from = use === undefined ? undefined : await host.pluginPackage(use, file);
  if (from) checkManifest(root, path, { package: from, schema: plugin.config }, report);
  const checked = checkSection({ root, path, node, schema: plugin.config, besides: kernelKeys }, report);
  if (!checked || !idIsRight || required === undefined) return { id, plugin, checked: undefined };
  return { id, plugin, checked: { id, plugin, required, config: checked.output, package: from, source: toValue(node) } };
}

function checkInstanceId(root: SourceNode, id: string, report: Reporter): boolean {
  const path: Path = ["plugins", id];
  if (isReservedId(id)) report.key(root, path, `the id ${JSON.stringify(id)} is reserved`, `choose another one and say what it is with "use"`);
  else if (!isId(id) || id.includes("/")) report.key(root, path, "is not an id", "an id of a plugin is 1-256 characters of A-Z a-z 0-9 . _ : @ -");
  else return true;
  return false;
}

function checkRequired(root: SourceNode, path: Path, map: MapNode, report: Reporter): boolean | undefined {
  const node = map.entries.get("required")?.node;
  if (!node) return true;
  if (node.kind === "scalar") {
    if (node.broken) return undefined;
    if (node.whole && (node.value === "true" || node.value === "false")) return node.value === "true";
    if (typeof node.value === "boolean") return node.value;
  }
  report.value(root, [...path, "required"], `must be true or false, not ${showNode(node)}`);
  return undefined;
}

/** What the section calls its plugin; undefined where a config in TypeScript holds the plugin itself. */
function useOf(id: string, map: MapNode): string | undefined {
  const node = map.entries.get("use")?.node;
  const use = node ? (node.kind === "scalar" ? node.value : undefined) : id;
  return typeof use === "string" ? use : undefined;
}

async function findPlugin(root: SourceNode, id: string, map: MapNode, file: string, host: ConfigHost, report: Reporter): Promise<AnyPlugin | undefined> {
  const node = map.entries.get("use")?.node;
  const path: Path = node ? ["plugins", id, "use"] : ["plugins", id];
  if (node?.kind === "scalar" && node.broken) return undefined;
  const use = node ? (node.kind === "scalar" ? node.value : undefined) : id;
  if (typeof use !== "string") {
    const fault = pluginFault(use);
    if (fault === undefined) return use as AnyPlugin;
    report.value(root, path, `must be the name of a plugin, not ${showNode(node)}`, typeof use === "object" && use !== null ? fault : undefined);
    return undefined;
  }
  try {
    return await host.loadPlugin(use, file);
  } catch (error) {
    const secret = node?.kind === "scalar" && node.shown !== undefined;
    const shown = secret ? showNode(node) : JSON.stringify(use);
    const unknown = error instanceof BusbarError && error.code === "NOT_FOUND";
    const hint = unknown ? suggest(secret ? undefined : use, await host.installed(file), "installed") : undefined;
    const message = unknown ? `no plugin ${shown} is installed` : secret ? `the plugin ${shown} cannot be loaded` : errorText(error).split("\n")[0]!;
    if (node) report.value(root, path, message, hint);
    else report.key(root, path, message, hint);
    return undefined;
  }
}
