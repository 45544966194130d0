import { type NodeId, resolveNodeId } from "node-opcua-client";
import { CommandError } from "./command-error.ts";
import { nodeIdOf } from "./node-id-of.ts";
import type { NodeAddress, PathStep } from "./node-id.ts";
import type { ServerView } from "./server-view.ts";

/** What an address leads to: a node, or why there is none, as text that names what is missing. */
export type Resolved = { readonly nodeId: NodeId } | { readonly problem: string };

/** A node that several paths may go through, so that each is asked for once. */
interface Place {
  readonly path: string;
  readonly parent: Place | undefined;
  /** Where a place without a parent is looked for. */
  readonly start: NodeId;
  readonly step: PathStep;
  /** The namespace of the name that was found. */
  namespace: number;
  found: Resolved | undefined;
}

const rootFolder = resolveNodeId("RootFolder");
const hierarchical = resolveNodeId("HierarchicalReferences");

/**
 * Finds the nodes of addresses, paths by TranslateBrowsePathsToNodeIds (OPC 10000-4 §5.8.4), level by level in bulk. A step without a namespace counts in any; where the name is there more than once it is the
 * one in the namespace of the step before, else the path is a problem. An id is not looked up: whether the node exists shows when it is read.
 * @throws {Error} of the client library when the server does not answer.
 */
export async function resolveNodes(view: ServerView, addresses: readonly NodeAddress[], { signal }: { readonly signal: AbortSignal }): Promise<Resolved[]> {
  const places = new Map<string, Place>();
  const ends = addresses.map((address) => (address.kind === "path" ? placeOf(address.steps, { places, start: address.start ?? rootFolder }) : undefined));
  let level = [...places.values()].filter(({ parent }) => parent === undefined);
  const children = Map.groupBy(places.values(), ({ parent }) => parent);
  while (level.length > 0) {
    await findAll(view, level, signal);
    level = level.flatMap((place) => children.get(place) ?? []);
  }
  return addresses.map((address, at) => {
    if (address.kind === "path") return ends[at]!.found!;
    const nodeId = nodeIdOf(address, view.namespaces);
    return nodeId === undefined ? { problem: `the server has no namespace "${address.namespace}"` } : { nodeId };
  });
}

/** The node of one address. @throws {CommandError} NO_SUCH_TAG when there is none. */
export async function resolveNode(view: ServerView, address: NodeAddress, { signal }: { readonly signal: AbortSignal }): Promise<NodeId> {
  const [resolved] = await resolveNodes(view, [address], { signal });
  if (resolved !== undefined && "nodeId" in resolved) return resolved.nodeId;
  throw new CommandError("NO_SUCH_TAG", `Cannot find the node: ${resolved?.problem}`);
}

function placeOf(steps: readonly PathStep[], { places, start }: { readonly places: Map<string, Place>; readonly start: NodeId }): Place {
  let parent: Place | undefined;
  for (const step of steps) {
    const path: string = `${parent?.path ?? start.toString()}/${step.namespace ?? ""}\0${step.name}`;
    let place: Place | undefined = places.get(path);
    if (place === undefined) places.set(path, (place = { path, parent, start, step, namespace: 0, found: undefined }));
    parent = place;
  }
  return parent!;
}

/** Finds the places of one level below what was found for the level above. */
async function findAll(view: ServerView, level: readonly Place[], signal: AbortSignal): Promise<void> {
  const questions = level.flatMap((place) => {
    const start = place.parent === undefined ? { nodeId: place.start } : place.parent.found!;
    if ("problem" in start) {
      place.found = start;
      return [];
    }
    const startingNode = start.nodeId;
    return namespacesOf(place.step, view.namespaces).map((namespaceIndex) => ({ place, namespaceIndex, startingNode }));
  });
  const answers = await view.translate(questions.map(({ place, namespaceIndex, startingNode }) => ({ startingNode, relativePath: { elements: [{ referenceTypeId: hierarchical, includeSubtypes: true, isInverse: false, targetName: { namespaceIndex, name: place.step.name } }] } })), { signal });
  const hits = Map.groupBy(questions.flatMap(({ place, namespaceIndex }, at) => (answers[at]!.targets ?? []).slice(0, 1).map(({ targetId }) => ({ place, namespaceIndex, nodeId: targetId as NodeId }))), ({ place }) => place);
  for (const place of level) {
    if (place.found !== undefined) continue;
    const found = hits.get(place) ?? [];
    const hit = found.length === 1 ? found[0] : found.find(({ namespaceIndex }) => namespaceIndex === place.parent?.namespace);
    if (hit !== undefined) {
      place.namespace = hit.namespaceIndex;
      place.found = { nodeId: hit.nodeId };
    } else place.found = { problem: found.length === 0 ? missing(place, view.namespaces) : `${written(place)} is there in namespaces ${found.map(({ namespaceIndex }) => namespaceIndex).join(" and ")}: write which, such as ${found[0]!.namespaceIndex}:${place.step.name}` };
  }
}

const namespacesOf = ({ namespace }: PathStep, namespaces: readonly string[]): readonly number[] => {
  if (namespace === undefined) return namespaces.map((_, index) => index);
  const index = typeof namespace === "number" ? namespace : namespaces.indexOf(namespace);
  return index < 0 ? [] : [index];
};

function missing(place: Place, namespaces: readonly string[]): string {
  const { namespace, name } = place.step;
  if (typeof namespace === "string" && !namespaces.includes(namespace)) return `the server has no namespace "${namespace}"`;
  return `"${name}" is not below ${place.parent !== undefined ? written(place.parent) : place.start === rootFolder ? "the root, which has Objects, Types and Views" : place.start.toString()}`;
}

const written = (place: Place): string => `${place.parent === undefined ? "" : written(place.parent)}/${place.step.name}`;
