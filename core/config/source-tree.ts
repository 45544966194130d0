/** Where something stands in a file: 1-based, column in characters; line 0 where that is not known. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** The way to a value from the top of a config. */
export type Path = readonly (string | number)[];

/** A map, with the places of its keys. */
export interface MapNode {
  readonly kind: "map";
  readonly place: Place;
  readonly entries: ReadonlyMap<string, { readonly place: Place; readonly node: SourceNode }>;
}

/** A list. */
export interface ListNode {
  readonly kind: "list";
  readonly place: Place;
  readonly items: readonly SourceNode[];
}

/** A single value. Interpolation fills in the fields that may change. */
export interface ScalarNode {
  readonly kind: "scalar";
  readonly place: Place;
  value: unknown;
  /** The text as it stands in the file, where interpolation made something else of it: what may be shown. */
  shown?: string;
  /** What came from outside and must not be shown. */
  secrets?: readonly string[];
  /** The text is one `${env:…}` and nothing else: it may stand for a number or a boolean. */
  whole?: boolean;
  /** Interpolation failed and has been reported: what is wrong with the value is not worth saying. */
  broken?: boolean;
}

/** A config as it was read: the values and where each of them stands. */
export type SourceNode = MapNode | ListNode | ScalarNode;

/** The limits of what is read, far beyond any real config: against files that are made to exhaust the reader. */
export const treeLimits = { depth: 64, nodes: 200_000 } as const;

/** Keys that reach a prototype in careless code; no config needs them. */
export const refusedKeys: ReadonlySet<string> = new Set(["__proto__", "prototype", "constructor"]);

/** The plain value that a tree stands for. */
export function toValue(node: SourceNode): unknown {
  if (node.kind === "scalar") return node.value;
  if (node.kind === "list") return node.items.map(toValue);
  return Object.fromEntries([...node.entries].map(([key, entry]) => [key, toValue(entry.node)]));
}

/** The node at the end of `path`, or undefined. */
export function nodeAt(root: SourceNode, path: Path): SourceNode | undefined {
  let node: SourceNode | undefined = root;
  for (const key of path) {
    if (node?.kind === "map") node = node.entries.get(String(key))?.node;
    else if (node?.kind === "list" && typeof key === "number") node = node.items[key];
    else return undefined;
  }
  return node;
}

/** Where to point for `path`: the value, or with `at: "key"` its key; where there is none, the key of the nearest thing around it. */
export function placeAt(root: SourceNode, path: Path, at: "key" | "value" = "value"): Place {
  const node = nodeAt(root, path);
  if (node && at === "value") return node.place;
  const last = path.at(-1);
  if (last === undefined) return root.place;
  const parent = nodeAt(root, path.slice(0, -1));
  const entry = parent?.kind === "map" ? parent.entries.get(String(last)) : undefined;
  return entry?.place ?? node?.place ?? placeAt(root, path.slice(0, -1), "key");
}

/** Every scalar of a tree. */
export function* scalars(node: SourceNode): Generator<ScalarNode> {
  if (node.kind === "scalar") yield node;
  else if (node.kind === "list") for (const item of node.items) yield* scalars(item);
  else for (const entry of node.entries.values()) yield* scalars(entry.node);
}

/** A path as people write it: `plugins.http.port`, `routes[0].to`, `plugins["a b"]`. */
export function formatPath(path: Path): string {
  let text = "";
  for (const key of path) {
    if (typeof key === "number") text += `[${key}]`;
    else if (/^[\w@/:-]+$/.test(key)) text += text === "" ? key : "." + key;
    else text += `[${JSON.stringify(key)}]`;
  }
  return text;
}

/** A value for a message: what stands in the file, never what interpolation made of it; at most 60 characters. */
export function showNode(node: SourceNode | undefined): string {
  if (node === undefined) return "nothing";
  if (node.kind !== "scalar") return node.kind === "map" ? "a map" : "a list";
  const value = node.shown ?? node.value;
  if (value === null || value === undefined) return "nothing";
  if (typeof value === "object" || typeof value === "function") return `a ${typeof value}`;
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length <= 60 ? text : text.slice(0, 57) + "…";
}
