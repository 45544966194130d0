import type { CheckedConfig } from "./checked.ts";
import { isEqual } from "./diff.ts";

const deepest = 4;
const most = 100;

/**
 * What differs between two configs, as paths such as `plugins.http.port`: names only, never values, four levels deep, a hundred at the most. For the audit log.
 */
export function changedKeys(old: CheckedConfig, next: CheckedConfig): readonly string[] {
  const paths: string[] = [];
  compare("", viewOf(old), viewOf(next), paths);
  return paths.slice(0, most);
}

const viewOf = ({ instances, routes, gateway }: CheckedConfig): object => ({
  plugins: Object.fromEntries(instances.map(({ id, source }) => [id, source])),
  routes: Object.fromEntries(routes.map(({ name, source }) => [name, source])),
  gateway,
});

function compare(path: string, old: unknown, next: unknown, paths: string[]): void {
  if (Object.is(old, next)) return;
  const [before, after] = [membersOf(old), membersOf(next)];
  if (before === undefined || after === undefined || path.split(".").length >= deepest) {
    if (!isEqual(old, next)) paths.push(path);
    return;
  }
  for (const key of new Set([...before.keys(), ...after.keys()])) compare(path === "" ? key : `${path}.${key}`, before.get(key), after.get(key), paths);
}

/** Of a plain object; undefined of anything else. */
function membersOf(value: unknown): ReadonlyMap<string, unknown> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? new Map(Object.entries(value)) : undefined;
}
