import type { CheckedConfig } from "../config/checked.ts";
import type { Flow, FlowNode } from "../gateway.ts";
import { neededPorts, providedPorts } from "./order.ts";

/** The composed flow of a config: the bus in the middle, the plugins around it, what they need of each other, and the routes. */
export function flowOf(config: CheckedConfig): Flow {
  const nodes: FlowNode[] = [{ id: "bus", kind: "bus", label: "bus" }];
  const edges: { from: string; to: string; label: string }[] = [];
  const providers = new Map<string, string>();
  for (const { id, plugin, config: own } of config.instances) {
    const writes = typeof own === "object" && own !== null && "allowWrites" in own && typeof own.allowWrites === "boolean" ? { writes: own.allowWrites } : {};
    nodes.push({ id, kind: "plugin", label: id === plugin.name ? id : `${id} (${plugin.name})`, ...writes });
    for (const port of providedPorts(plugin)) providers.set(port, id);
  }
  for (const { id, plugin } of config.instances) {
    const journal = providedPorts(plugin).includes("journal");
    edges.push({ from: id, to: "bus", label: "" });
    if (journal) edges.push({ from: "bus", to: id, label: "journal" });
    for (const port of neededPorts(plugin).keys()) {
      const provider = providers.get(port);
      if (provider !== undefined) edges.push({ from: provider, to: id, label: port });
    }
  }
  for (const route of config.routes) {
    const id = `route:${route.name}`;
    nodes.push({ id, kind: "route", label: [route.name, ...route.steps.map((step) => step.name)].join(" | ") });
    edges.push({ from: "bus", to: id, label: route.from });
    edges.push(route.to.kind === "plugin" ? { from: id, to: route.to.id, label: "" } : { from: id, to: "bus", label: route.to.template });
  }
  return { nodes, edges };
}
