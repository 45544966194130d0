import type { CheckedConfig, CheckedInstance, CheckedRoute } from "./checked.ts";

/** What a reload has to do. Ids are in the order of the config they come from. */
export interface ConfigDiff {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** Another plugin, another config, or another `required`. Those that need them are not listed. */
  readonly changed: readonly string[];
  readonly kept: readonly string[];
  /** Whether any route is new, gone or different. */
  readonly routes: boolean;
  /** Whether any setting of the gateway is different. */
  readonly gateway: boolean;
}

/** Compares the config that runs with the one that is to run. Compares what is written, after interpolation: a changed secret is a change. */
export function diffConfig(old: CheckedConfig, next: CheckedConfig): ConfigDiff {
  const before = new Map(old.instances.map((instance) => [instance.id, instance]));
  const after = new Set(next.instances.map(({ id }) => id));
  const stayed = next.instances.filter(({ id }) => before.has(id));
  const isKept = (instance: CheckedInstance): boolean => {
    const other = before.get(instance.id)!;
    return isSamePlugin(other, instance) && isEqual(other.isolate, instance.isolate) && other.required === instance.required && isEqual(other.source, instance.source);
  };
  return {
    added: next.instances.filter(({ id }) => !before.has(id)).map(({ id }) => id),
    removed: old.instances.filter(({ id }) => !after.has(id)).map(({ id }) => id),
    changed: stayed.filter((instance) => !isKept(instance)).map(({ id }) => id),
    kept: stayed.filter(isKept).map(({ id }) => id),
    routes: old.routes.length !== next.routes.length || !old.routes.every((route, at) => isSameRoute(route, next.routes[at]!)),
    gateway: !isEqual(old.gateway, next.gateway),
  };
}

/** Whether two routes do the same in every respect. */
export function isSameRoute(one: CheckedRoute, other: CheckedRoute): boolean {
  const sameSteps = one.steps.length === other.steps.length && one.steps.every(({ definition, owner }, at) => definition === other.steps[at]!.definition && owner === other.steps[at]!.owner);
  return one.name === other.name && sameSteps && isEqual(one.source, other.source);
}

/** Whether it is the same code. What stands for a plugin in an isolate is made anew with each config. */
function isSamePlugin(a: CheckedInstance, b: CheckedInstance): boolean {
  return a.plugin === b.plugin || (a.isolate !== undefined && b.isolate !== undefined && a.plugin.name === b.plugin.name && isEqual(a.package, b.package));
}

/** Deep equality of plain objects and arrays; the order of keys does not count. Anything else is equal to itself only. */
export function isEqual(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((item, at) => isEqual(item, b[at]));
  if (Object.getPrototypeOf(a) !== Object.prototype || Object.getPrototypeOf(b) !== Object.prototype) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && isEqual(Reflect.get(a, key), Reflect.get(b, key)));
}
