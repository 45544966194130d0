import type { AnyPlugin, Needs } from "../plugin.ts";
import { AuditFeedPort, AuditPort, CommandsPort, CursorsPort, DeadLettersPort, GatewayPort, SessionsPort, SignedPort, type Port } from "../ports.ts";
import type { FoundInstance } from "./check-instances.ts";
import type { Reporter } from "./reporter.ts";
import type { SourceNode } from "./source-tree.ts";

/** The ports that the kernel itself provides: no plugin may. */
export const kernelPorts: readonly string[] = [AuditFeedPort, AuditPort, CommandsPort, CursorsPort, DeadLettersPort, GatewayPort, SessionsPort, SignedPort].map(({ name }) => name);

/** The ports that the kernel provides where no plugin does: the journal in memory. */
export const fallbackPorts: readonly string[] = ["journal"];

/** One thing that a plugin needs. */
interface Need {
  readonly port: string;
  readonly optional: boolean;
}

/** The names of the ports that a plugin provides. */
export function providedPorts(plugin: AnyPlugin): readonly string[] {
  return Object.values((plugin.provides ?? {}) as Readonly<Record<string, Port<unknown>>>).map((port) => port.name);
}

/** The ports that a plugin needs, by name, and whether it can do without them. */
export function neededPorts(plugin: AnyPlugin): readonly Need[] {
  return Object.values((plugin.needs ?? {}) as Needs).map((need) => ("optional" in need ? { port: need.optional.name, optional: true } : { port: need.name, optional: false }));
}

/**
 * Checks that every port has one provider, that every need is met, and that the needs make no circle. While the plugin of some instance is not known, unmet
 * needs are not reported: that instance may be the one that meets them. `offers` says which installed plugins provide a port.
 */
export async function checkNeeds(root: SourceNode, instances: readonly FoundInstance[], offers: (port: string) => Promise<readonly string[]>, report: Reporter): Promise<void> {
  const providers = new Map<string, string>();
  for (const { id, plugin } of instances) {
    for (const port of plugin ? providedPorts(plugin) : []) {
      const first = providers.get(port);
      if (kernelPorts.includes(port)) report.key(root, ["plugins", id], `provides the port "${port}", which the kernel provides itself`);
      else if (first !== undefined) report.key(root, ["plugins", id], `provides the port "${port}", which "${first}" provides already`, "keep one of them");
      else providers.set(port, id);
    }
  }
  const allKnown = instances.every((instance) => instance.plugin);
  for (const { id, plugin } of instances) {
    for (const { port, optional } of plugin ? neededPorts(plugin) : []) {
      if (optional || !allKnown || providers.has(port) || kernelPorts.includes(port) || fallbackPorts.includes(port)) continue;
      const names = await offers(port);
      report.key(root, ["plugins", id], `needs the port "${port}", which no instance provides`, names.length === 0 ? "no installed plugin provides it" : `add one of these: ${names.join(", ")}`);
    }
  }
  checkCircles(root, instances, providers, report);
}

function checkCircles(root: SourceNode, instances: readonly FoundInstance[], providers: ReadonlyMap<string, string>, report: Reporter): void {
  const plugins = new Map(instances.map(({ id, plugin }) => [id, plugin]));
  const done = new Set<string>();
  const visit = (id: string, way: readonly string[]): void => {
    const start = way.indexOf(id);
    if (start >= 0) {
      report.key(root, ["plugins", way[start]!], `needs itself by way of others: ${[...way.slice(start), id].join(" needs ")}`, "take one of them out");
      return;
    }
    if (done.has(id)) return;
    const plugin = plugins.get(id);
    for (const { port } of plugin ? neededPorts(plugin) : []) {
      const provider = providers.get(port);
      if (provider !== undefined) visit(provider, [...way, id]);
    }
    done.add(id);
  };
  for (const id of plugins.keys()) visit(id, []);
}
