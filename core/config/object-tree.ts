import type { Reporter } from "./reporter.ts";
import { refusedKeys, treeLimits, type Path, type SourceNode } from "./source-tree.ts";

const nowhere = { line: 0, column: 0 };

/**
 * Reads a config that a module made as a tree without places. What is neither a plain object nor an array (a function, a Date, a Uint8Array) stays as it is,
 * and so does `plugins.<id>.use`, which may be the plugin itself.
 */
export function readObject(value: unknown, report: Reporter): SourceNode {
  let nodes = 0;
  const read = (value: unknown, path: Path): SourceNode => {
    if (path.length > treeLimits.depth || ++nodes > treeLimits.nodes) {
      report.add(nowhere, path.slice(0, 4), `is nested more than ${treeLimits.depth} levels deep, or holds more than ${treeLimits.nodes} values`);
      return { kind: "scalar", place: nowhere, value: null, broken: true };
    }
    if (path.length === 3 && path[0] === "plugins" && path[2] === "use") return { kind: "scalar", place: nowhere, value };
    if (Array.isArray(value)) return { kind: "list", place: nowhere, items: value.map((item, at) => read(item, [...path, at])) };
    if (!isPlain(value)) return { kind: "scalar", place: nowhere, value };
    const entries = new Map<string, { place: typeof nowhere; node: SourceNode }>();
    for (const [key, item] of Object.entries(value)) {
      if (refusedKeys.has(key)) report.add(nowhere, [...path, key], "this key is not allowed anywhere");
      else if (item !== undefined) entries.set(key, { place: nowhere, node: read(item, [...path, key]) });
    }
    return { kind: "map", place: nowhere, entries };
  };
  return read(value, []);
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const proto: unknown = Object.getPrototypeOf(value);
  return proto === null || proto === Object.prototype;
}
