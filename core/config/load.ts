import { builtInSteps } from "../steps/built-in.ts";
import { exposureHint, isRefused } from "../listener/exposure.ts";
import { checkInstances, type FoundInstance } from "./check-instances.ts";
import { checkNeeds, providedPorts } from "./check-needs.ts";
import { checkRoutes } from "./check-routes.ts";
import { checkSection } from "./check-section.ts";
import type { CheckedConfig } from "./checked.ts";
import type { ConfigHost } from "./host.ts";
import { interpolate, reasonOf } from "./interpolate.ts";
import { suggest } from "./nearest.ts";
import { readObject } from "./object-tree.ts";
import type { Problem } from "./problem.ts";
import { Reporter } from "./reporter.ts";
import { gatewaySchema, type GatewaySettings } from "./settings.ts";
import { placeAt, showNode, type Path, type Place, type SourceNode } from "./source-tree.ts";
import { systemConfigHost } from "./system-host.ts";
import { readYaml } from "./yaml-tree.ts";

/** What became of a config file. */
export interface LoadedConfig {
  /** There exactly when there are no problems. */
  readonly config?: CheckedConfig;
  /** Everything that is wrong, in order of place. */
  readonly problems: readonly Problem[];
  /** Where something stands in the file: the value at a path, or the nearest thing around it; line 0 in a module. Absent when the file could not be read. Holds the whole file in memory. */
  readonly place?: (path: Path) => Place;
}

const topKeys = ["plugins", "routes", "gateway"];

/**
 * Reads and checks a config file: `.yaml`, `.yml`, `.json`, or a module (`.ts`, `.mts`, `.js`, `.mjs`) that exports one as default (`defineConfig`). All problems are
 * found at once; only text that is no YAML at all ends the search. Loads the plugins that the config names, but sets none up. Never throws for what is wrong with the config.
 */
export async function loadConfig(path: string, host: Partial<ConfigHost> = {}): Promise<LoadedConfig> {
  const full: ConfigHost = { ...systemConfigHost, ...host };
  const report = new Reporter(path);
  const root = await readSource(path, full, report);
  const config = root && (await checkConfig(root, path, full, report));
  const problems = report.problems();
  return { problems, ...(config && problems.length === 0 ? { config } : {}), ...(root && { place: (at: Path) => placeAt(root, at) }) };
}

async function readSource(path: string, host: ConfigHost, report: Reporter): Promise<SourceNode | undefined> {
  const nowhere = { line: 0, column: 0 };
  if (/\.(?:ya?ml|json)$/i.test(path)) {
    try {
      return readYaml(await host.readText(path), report);
    } catch (error) {
      report.add(nowhere, [], `the file cannot be read: ${reasonOf(error)}`);
      return undefined;
    }
  }
  if (!/\.[mc]?[tj]s$/i.test(path)) {
    report.add(nowhere, [], "is no config", "allowed: .yaml, .yml, .json, .ts, .mts, .js, .mjs");
    return undefined;
  }
  try {
    const module = await host.importModule(path);
    if (typeof module["default"] === "object" && module["default"] !== null) return readObject(module["default"], report);
    report.add(nowhere, [], "the module has no config as its default export", "write export default defineConfig({ … })");
  } catch (error) {
    report.add(nowhere, [], `the module cannot be loaded: ${reasonOf(error)}`);
  }
  return undefined;
}

async function checkConfig(root: SourceNode, path: string, host: ConfigHost, report: Reporter): Promise<CheckedConfig | undefined> {
  await interpolate(root, { env: host.env, file: (name) => host.readText(host.resolve(path, name)) }, report);
  if (root.kind !== "map") {
    report.value(root, [], `must be a map, not ${showNode(root)}`, `allowed: ${topKeys.join(", ")}`);
    return undefined;
  }
  for (const key of root.entries.keys()) if (!topKeys.includes(key) && key !== "$schema") report.key(root, [key], "unknown key", suggest(key, topKeys));
  const instances = await checkInstances(root, path, host, report);
  await checkNeeds(root, instances, (port) => offering(port, path, host), report);
  const routes = checkRoutes({ root, instances, steps: builtInSteps }, report);
  const gateway = checkGateway(root, report);
  if (gateway) checkExposure(root, instances, gateway, report);
  const checked = instances.flatMap((instance) => instance.checked ?? []);
  return gateway && { file: path, instances: checked, routes, gateway };
}

/** The installed plugins that provide a port. Runs their modules, so it is asked only when a need is unmet. */
async function offering(port: string, path: string, host: ConfigHost): Promise<readonly string[]> {
  const names = await host.installed(path);
  const found = await Promise.all(
    names.map(async (name) => {
      try {
        return providedPorts(await host.loadPlugin(name, path)).includes(port) ? [name] : [];
      } catch {
        return []; // one that does not load is of no help to whoever reads the hint
      }
    }),
  );
  return found.flat();
}

/** Reports every listener that must have TLS and has not. */
function checkExposure(root: SourceNode, instances: readonly FoundInstance[], { requireTls }: GatewaySettings, report: Reporter): void {
  for (const { id, plugin, checked } of instances) {
    const places = checked && plugin?.listens ? plugin.listens(checked.config) : [];
    for (const place of places) if (isRefused(place, requireTls)) report.value(root, ["plugins", id, ...place.at, "host"], `${JSON.stringify(place.host)} is reached by other machines, and there is no TLS`, exposureHint);
  }
}

function checkGateway(root: SourceNode, report: Reporter): GatewaySettings | undefined {
  const given = root.kind === "map" ? root.entries.get("gateway")?.node : undefined;
  const absent = !given || (given.kind === "scalar" && given.value === null && !given.broken);
  const node: SourceNode = absent ? { kind: "map", place: root.place, entries: new Map() } : given;
  return checkSection({ root, path: ["gateway"], node, schema: gatewaySchema }, report)?.output as GatewaySettings | undefined;
}
