import type { MapNode, Place, SourceNode } from "../../config/source-tree.ts";

/** A part of a config as plain values. */
export type PackedTree = { readonly kind: "map"; readonly place: Place; readonly entries: readonly (readonly [string, Place, PackedTree])[] } | { readonly kind: "list"; readonly place: Place; readonly items: readonly PackedTree[] } | { readonly kind: "scalar"; readonly place: Place };

/** Makes plain values of a part of a config. */
export function packTree(node: SourceNode): PackedTree {
  if (node.kind === "scalar") return { ...node };
  if (node.kind === "list") return { ...node, items: node.items.map(packTree) };
  return { ...node, entries: [...node.entries].map(([key, entry]) => [key, entry.place, packTree(entry.node)] as const) };
}

/** The part of a config that plain values stand for. */
export function unpackTree(tree: PackedTree): SourceNode {
  if (tree.kind === "scalar") return { value: undefined, ...tree };
  if (tree.kind === "list") return { ...tree, items: tree.items.map(unpackTree) };
  return { ...tree, entries: new Map(tree.entries.map(([key, place, node]): [string, { readonly place: Place; readonly node: SourceNode }] => [key, { place, node: unpackTree(node) }])) } satisfies MapNode;
}
