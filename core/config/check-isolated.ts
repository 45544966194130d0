import { BusbarError, errorText } from "../errors.ts";
import { isolatedPlugin, isolationFault } from "../kernel/isolate/isolated-plugin.ts";
import { isolateSchema, isolateSettings, type IsolateSettings } from "../kernel/isolate/isolate-settings.ts";
import { packTree } from "../kernel/isolate/packed-tree.ts";
import type { AnyPlugin } from "../plugin.ts";
import { checkSection } from "./check-section.ts";
import type { CheckedInstance } from "./checked.ts";
import type { ConfigHost } from "./host.ts";
import { kernelKeys } from "./kernel-keys.ts";
import { suggest } from "./nearest.ts";
import type { Reporter } from "./reporter.ts";
import type { MapNode, Path, SourceNode } from "./source-tree.ts";

/** What a section says about its isolate: its limits, undefined where it is to run in the gateway itself, "wrong" where that has been reported. */
export function checkIsolate(root: SourceNode, path: Path, map: MapNode, report: Reporter): IsolateSettings | undefined | "wrong" {
  const node = map.entries.get("isolate")?.node;
  if (!node) return undefined;
  const checked = checkSection({ root, path: [...path, "isolate"], node, schema: isolateSchema }, report);
  return checked ? isolateSettings(checked.output as Parameters<typeof isolateSettings>[0]) : "wrong";
}

/** A section whose plugin is to run in an isolate. */
interface IsolatedSection {
  readonly root: SourceNode;
  readonly path: Path;
  readonly id: string;
  /** Undefined where a config in TypeScript holds the plugin itself. */
  readonly use: string | undefined;
  readonly node: MapNode;
  readonly file: string;
  readonly host: ConfigHost;
  readonly isolate: IsolateSettings;
}

/** Checks such a section: the plugin itself says in an isolate what it makes of it. Reports what is wrong; gives what runs in its place. */
export async function checkIsolated({ root, path, use, node, file, host, isolate }: IsolatedSection, report: Reporter): Promise<{ readonly plugin: AnyPlugin; readonly checked: Omit<CheckedInstance, "id" | "required"> | undefined } | undefined> {
  if (use === undefined) return void report.key(root, [...path, "isolate"], "cannot be: the config holds the plugin itself, so its code is in the gateway already", "name it by its path");
  try {
    const from = await host.pluginPackage(use, file);
    if (from === undefined) return void report.key(root, path, `no plugin ${JSON.stringify(use)} is installed`, suggest(use, await host.installed(file), "installed"));
    const description = await host.probePlugin({ config: file, package: from, path, section: packTree(node), besides: kernelKeys });
    for (const problem of description.problems) report.take({ ...problem, file });
    const fault = isolationFault(description);
    if (fault !== undefined) report.key(root, [...path, "isolate"], `cannot be: ${fault}`, "let it run in the gateway itself");
    const plugin = isolatedPlugin(description, { settings: isolate, package: from });
    const { checked } = description;
    return { plugin, checked: checked && fault === undefined ? { plugin, isolate, package: from, config: asWritten(checked.output, checked.source), source: checked.source } : undefined };
  } catch (error) {
    if (!(error instanceof BusbarError)) throw error;
    return void report.key(root, path, errorText(error).split("\n")[0]!);
  }
}

/** What the plugin's schema made of its section, in which text and numbers are what the config says: what it is granted follows from what was written, not from what it makes of it. */
function asWritten(output: unknown, source: unknown): unknown {
  if (Array.isArray(output) && Array.isArray(source)) return output.map((item, at) => asWritten(item, source[at]));
  if (isMap(output) && isMap(source)) return Object.fromEntries(Object.entries(output).map(([key, value]) => [key, Object.hasOwn(source, key) ? asWritten(value, source[key]) : value]));
  return typeof source === "string" || typeof source === "number" || typeof source === "boolean" ? source : output;
}

const isMap = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === "object" && value !== null && !Array.isArray(value);
