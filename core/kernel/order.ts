import type { CheckedInstance } from "../config/checked.ts";
import { BusbarError } from "../errors.ts";
import type { AnyPlugin, Needs, Provides } from "../plugin.ts";

/** The names of the roles a plugin needs: true = cannot do without. */
export function neededPorts(plugin: AnyPlugin): ReadonlyMap<string, boolean> {
  const needs = Object.values((plugin.needs ?? {}) as Needs);
  return new Map(needs.map((need) => ("optional" in need ? [need.optional.name, false] : [need.name, true])));
}

/** The names of the roles a plugin provides. */
export function providedPorts(plugin: AnyPlugin): readonly string[] {
  return Object.values((plugin.provides ?? {}) as Provides).map((port) => port.name);
}

/**
 * The instances such that each comes after those that provide what it needs; otherwise in the order of the config.
 * @throws {BusbarError} CONFIG when they need each other in a circle.
 */
export function orderInstances(instances: readonly CheckedInstance[]): readonly CheckedInstance[] {
  const providers = new Map<string, CheckedInstance>();
  for (const instance of instances) for (const port of providedPorts(instance.plugin)) providers.set(port, instance);
  const ordered: CheckedInstance[] = [];
  const state = new Map<CheckedInstance, "visiting" | "done">();
  const visit = (instance: CheckedInstance, path: readonly string[]): void => {
    if (state.get(instance) === "done") return;
    if (state.get(instance) === "visiting") throw new BusbarError("CONFIG", `Cannot order the plugins: ${[...path, instance.id].join(" needs ")}`);
    state.set(instance, "visiting");
    for (const port of neededPorts(instance.plugin).keys()) {
      const provider = providers.get(port);
      if (provider) visit(provider, [...path, instance.id]);
    }
    state.set(instance, "done");
    ordered.push(instance);
  };
  for (const instance of instances) visit(instance, []);
  return ordered;
}
