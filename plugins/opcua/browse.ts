import { BrowseDirection, type NodeId, NodeClass, type ReferenceDescription } from "node-opcua-client";
import { formatStep } from "./node-id.ts";
import type { ServerView } from "./server-view.ts";
import { readVariables, type VariableInfo } from "./variable.ts";

/** A node that was found below another one. */
export interface BrowsedNode {
  readonly nodeId: NodeId;
  /** The way to it from where browsing began, one browse name after the other; node-id.ts writes and reads such steps. */
  readonly steps: readonly { readonly namespace: number; readonly name: string }[];
  readonly displayName: string;
  /** A condition is an object that alarms come from. */
  readonly kind: "object" | "variable" | "method" | "condition";
  /** Of a variable that could be read. */
  readonly variable: VariableInfo | undefined;
}

/** What a walk through a server's nodes has found. */
export interface BrowsedTree {
  /** In the order of a tree as it is printed: a node, then what is below it. */
  readonly nodes: readonly BrowsedNode[];
  /** Which bound was met, if any: there is more below. */
  readonly cut: "depth" | "limit" | undefined;
}

/** Where a walk ends. */
export interface BrowseOptions {
  /** Levels below the start, 1 to 64; default 8. */
  readonly depth?: number;
  /** Nodes at most; default 10,000. */
  readonly limit?: number;
  /** Ids of nodes, as `NodeId.toString()` writes them, that are left out with all that is below them. */
  readonly skip?: readonly string[];
  readonly signal: AbortSignal;
}

/** A node that waits for what is below it to be browsed. */
interface Branch {
  node: Omit<BrowsedNode, "variable">;
  readonly children: Branch[];
}

const hierarchical = "i=33";
const hasProperty = 46;
/** HasEventSource, HasNotifier and HasHistoricalConfiguration lead to where a node is seen from, not to its parts; what is below them is below something else, too. */
const besides: ReadonlySet<number> = new Set([36, 48, 56]);
const kinds: Readonly<Partial<Record<NodeClass, BrowsedNode["kind"]>>> = { [NodeClass.Object]: "object", [NodeClass.Variable]: "variable", [NodeClass.Method]: "method" };
const classMask = NodeClass.Object | NodeClass.Variable | NodeClass.Method;

/**
 * Finds everything below a node: objects, variables and methods, level by level, so that a bound cuts what is deep first. Properties are no nodes of their own: those of a variable are in its `variable`.
 * Nor are the parts of a condition, whose state comes as events. A node that can be reached in several ways is found once, by the shortest.
 * @throws {Error} of the client library when the server does not answer.
 */
export async function browseTree(view: ServerView, start: NodeId, { depth = 8, limit = 10_000, skip = [], signal }: BrowseOptions): Promise<BrowsedTree> {
  const seen = new Set([start.toString(), ...skip]);
  const most = limit + seen.size - 1;
  const root: Branch = { node: { nodeId: start, steps: [], displayName: "", kind: "object" }, children: [] };
  let cut: BrowsedTree["cut"];
  let level = [root];
  for (let at = 0; level.length > 0; at++) {
    const below = await browseLevel(view, level, { maxReferences: most - seen.size + 1_000, signal });
    const next: Branch[] = [];
    for (const { parent, reference } of below.found) {
      const key = reference.nodeId.toString();
      if (seen.has(key)) continue;
      if (at >= depth) cut ??= "depth";
      else if (seen.size > most) cut = "limit";
      else {
        seen.add(key);
        const branch = branchOf(reference, parent);
        parent.children.push(branch);
        next.push(branch);
      }
    }
    if (below.cut) cut = "limit";
    level = at >= depth || cut === "limit" ? [] : next.filter(({ node }) => node.kind !== "method");
  }
  const nodes = root.children.flatMap(flatten);
  const variables = nodes.filter(({ kind }) => kind === "variable");
  const infos = await readVariables(view, variables.map(({ nodeId }) => nodeId), { signal });
  const infoOf = new Map(variables.map((node, at): [object, VariableInfo | undefined] => [node, infos[at] !== undefined && "dataType" in infos[at] ? infos[at] : undefined]));
  return { nodes: nodes.map((node) => ({ ...node, variable: infoOf.get(node) })), cut };
}

/** The path of a node that was found below `start`, as text that a config takes: `/Objects/Plant` and `press-1` make `/Objects/Plant/2:press-1`. With namespaces their URIs are written. */
export function formatPath(start: string, steps: BrowsedNode["steps"], namespaces?: readonly string[]): string {
  return [start, ...steps.map((step) => formatStep(step, namespaces))].join("/");
}

async function browseLevel(view: ServerView, level: readonly Branch[], options: { readonly maxReferences: number; readonly signal: AbortSignal }) {
  const answers = await view.browse(
    level.map(({ node }) => ({ nodeId: node.nodeId, browseDirection: BrowseDirection.Forward, referenceTypeId: hierarchical, includeSubtypes: true, nodeClassMask: classMask, resultMask: 63 })),
    options,
  );
  const found = answers.flatMap(({ references }, at) => {
    const parent = level[at]!;
    if (parent.node.kind === "object" && isCondition(references)) parent.node = { ...parent.node, kind: "condition" };
    return parent.node.kind === "condition" ? [] : references.filter(isPart).map((reference) => ({ parent, reference }));
  });
  return { found, cut: answers.some((answer) => answer.cut) };
}

/** Each condition has these properties (OPC 10000-9 §5.5.2); its type may be one of a vendor's. */
function isCondition(references: readonly ReferenceDescription[]): boolean {
  return ["Retain", "BranchId"].every((name) => references.some(({ browseName, referenceTypeId }) => browseName.name === name && browseName.namespaceIndex === 0 && referenceTypeId.value === hasProperty));
}

function isPart({ referenceTypeId, nodeId }: ReferenceDescription): boolean {
  const elsewhere = ((nodeId as { readonly serverIndex?: number }).serverIndex ?? 0) > 0;
  return !elsewhere && !(referenceTypeId.namespace === 0 && (referenceTypeId.value === hasProperty || besides.has(referenceTypeId.value as number)));
}

function branchOf({ nodeId, browseName, displayName, nodeClass }: ReferenceDescription, parent: Branch): Branch {
  const name = browseName.name ?? "";
  return { node: { nodeId, steps: [...parent.node.steps, { namespace: browseName.namespaceIndex, name }], displayName: displayName.text ?? name, kind: kinds[nodeClass] ?? "object" }, children: [] };
}

function flatten({ node, children }: Branch): Branch["node"][] {
  return [node, ...children.flatMap(flatten)];
}
