import { type BrowsedNode, browseTree, formatPath } from "../browse.ts";
import { formatNodeId, parseNodeAddress } from "../node-id.ts";
import { resolveNode } from "../resolve-nodes.ts";
import type { ServerView } from "../server-view.ts";
import { codeOf, type Quality, qualityOf } from "../status-code.ts";
import { toJson } from "../values.ts";

/** A node as it is shown. */
export interface ProbedNode {
  /** Browse names without namespaces, from below where the tree begins. */
  readonly names: readonly string[];
  /** As a config takes it. */
  readonly path: string;
  /** The same, and true whatever the server's namespaces are numbered. */
  readonly nodeId: string;
  readonly kind: BrowsedNode["kind"];
  /** Of a variable: its data type with `[]` for each dimension, such as `Double` or `Int32[][]`. */
  readonly type?: string;
  readonly unit?: string | undefined;
  readonly range?: { readonly low: number; readonly high: number } | undefined;
  /** `r` readable, `w` writable, `h` with history. */
  readonly access?: string;
  /** Names of the values of an enumeration. */
  readonly valueNames?: readonly string[] | undefined;
  readonly value?: unknown;
  readonly quality?: Quality;
  readonly code?: string | undefined;
}

/** A part of a server's nodes. */
export interface ProbedTree {
  /** Where it begins, as a config writes nodes. */
  readonly under: string;
  readonly nodes: readonly ProbedNode[];
  /** Which bound was met: there is more. */
  readonly cut: "depth" | "limit" | undefined;
}

/** What every server has below Objects: its own object, Aliases and Locations. */
const ofEveryServer: readonly string[] = ["ns=0;i=2253", "ns=0;i=23470", "ns=0;i=31915"];

/** Browses a part of a server's nodes and reads every value in it. @throws {CommandError} NO_SUCH_TAG when there is no such node. @throws {Error} of the client library when the server does not answer. */
export async function probeTree(view: ServerView, options: { readonly under?: string | undefined; readonly depth: number; readonly limit: number; readonly signal: AbortSignal }): Promise<ProbedTree> {
  const { under = "/Objects", depth, limit, signal } = options;
  const start = await resolveNode(view, parseNodeAddress(under), { signal });
  const { nodes, cut } = await browseTree(view, start, { depth, limit, skip: options.under === undefined ? ofEveryServer : [], signal });
  const readable = nodes.filter(({ variable }) => variable?.readable === true);
  const values = await view.read(readable, { signal });
  const valueOf = new Map(readable.map((node, at) => [node, values[at]!]));
  return {
    under,
    cut,
    nodes: nodes.map((node) => {
      const { variable, kind, steps } = node;
      const data = valueOf.get(node);
      const plain = { names: steps.map(({ name }) => name), path: under.startsWith("/") ? formatPath(under, steps) : "", nodeId: formatNodeId(node.nodeId, view.namespaces), kind };
      if (variable === undefined) return plain;
      const { dataType, valueRank, unit, range, enumeration, readable: r, writable: w, history: h } = variable;
      return {
        ...plain, type: `${dataType.name}${valueRank >= 1 ? "[]".repeat(valueRank) : valueRank === -1 ? "" : "[?]"}`, unit, range, access: `${r ? "r" : ""}${w ? "w" : ""}${h ? "h" : ""}`,
        valueNames: enumeration && [...enumeration.values()],
        ...(data === undefined ? {} : { value: toJson(data.value, { enumeration, namespaces: view.namespaces }), quality: qualityOf(data.statusCode), code: codeOf(data.statusCode) }),
      };
    }),
  };
}
