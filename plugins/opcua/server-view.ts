import { AttributeIds, type BrowseDescriptionOptions, type BrowsePathLike, type BrowsePathResult, type CallMethodRequestLike, type CallMethodResult, type ClientSession, type DataValue, type NodeIdLike, type ReferenceDescription, type StatusCode, StatusCodes, VariableIds, type WriteValueOptions } from "node-opcua-client";
import { DataTypes } from "./data-type.ts";

/** How much a server takes in one request (OPC 10000-5 §6.3.11, OperationLimits). Where it states nothing, `unstated`. */
export interface OperationLimits {
  readonly read: number;
  readonly write: number;
  readonly browse: number;
  readonly translate: number;
  readonly call: number;
  readonly monitor: number;
  readonly historyRead: number;
}

/** Operations in one request to a server that states no limit. */
const unstated = 1_000;

const limitNodes: Readonly<Record<keyof OperationLimits, number>> = {
  read: VariableIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead,
  write: VariableIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerWrite,
  browse: VariableIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerBrowse,
  translate: VariableIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerTranslateBrowsePathsToNodeIds,
  call: VariableIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerMethodCall,
  monitor: VariableIds.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall,
  historyRead: VariableIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerHistoryReadData,
};

/** What is asked of one node: an attribute, by default its value. */
export interface AttributeToRead {
  readonly nodeId: NodeIdLike;
  readonly attributeId?: AttributeIds;
}

/** What a node references; `statusCode` is not good where it could not be browsed. `cut`: there are more references than `maxReferences`. */
export interface BrowseAnswer {
  readonly statusCode: StatusCode;
  readonly references: readonly ReferenceDescription[];
  readonly cut: boolean;
}

/**
 * A server as seen through one session: its namespaces, its limits and data types, and services that take any number of operations and split them into requests that it
 * accepts. Answers are in the order of the questions. It is good until the session ends: a server that comes back may number its namespaces anew.
 */
export class ServerView {
  readonly session: ClientSession;
  /** Namespace URIs by index. */
  readonly namespaces: readonly string[];
  readonly limits: OperationLimits;
  /** The server's data types, read when they are first asked for. */
  readonly types: DataTypes;
  /** What was learnt when a server refused a request as too large. */
  readonly #learnt: Partial<Record<keyof OperationLimits, number>> = {};

  constructor(session: ClientSession, { namespaces, limits }: { readonly namespaces: readonly string[]; readonly limits: OperationLimits }) {
    this.session = session;
    this.namespaces = namespaces;
    this.limits = limits;
    this.types = new DataTypes(this);
  }

  /** @throws {Error} of the client library when a request as a whole fails. */
  read(nodes: readonly AttributeToRead[], { signal }: { readonly signal: AbortSignal }): Promise<DataValue[]> {
    return this.#inParts("read", nodes, { signal, ask: (part) => this.session.read(part.map(({ nodeId, attributeId = AttributeIds.Value }) => ({ nodeId, attributeId }))) });
  }

  /** @throws {Error} of the client library when a request as a whole fails; what was in the requests before it is written. */
  write(values: readonly WriteValueOptions[], { signal }: { readonly signal: AbortSignal }): Promise<StatusCode[]> {
    return this.#inParts("write", values, { signal, ask: (part) => this.session.write(part) });
  }

  /** @throws {Error} of the client library when a request as a whole fails. */
  translate(paths: readonly BrowsePathLike[], { signal }: { readonly signal: AbortSignal }): Promise<BrowsePathResult[]> {
    return this.#inParts("translate", paths, { signal, ask: (part) => this.session.translateBrowsePath(part) });
  }

  /** @throws {Error} of the client library when a request as a whole fails. */
  call(calls: readonly CallMethodRequestLike[], { signal }: { readonly signal: AbortSignal }): Promise<CallMethodResult[]> {
    return this.#inParts("call", calls, { signal, ask: (part) => this.session.call(part) });
  }

  /** Browses nodes, following continuation points. @throws {Error} of the client library when a request as a whole fails. */
  async browse(nodes: readonly BrowseDescriptionOptions[], { signal, maxReferences = 100_000 }: { readonly signal: AbortSignal; readonly maxReferences?: number }): Promise<BrowseAnswer[]> {
    return this.#inParts("browse", nodes, { signal, ask: (part) => browseCompletely(this.session, part, maxReferences) });
  }

  /** Asks in parts; a part that the server finds too large is halved, and so are those after it. */
  async #inParts<Q, A>(kind: keyof OperationLimits, questions: readonly Q[], { signal, ask }: { readonly signal: AbortSignal; readonly ask: (part: Q[]) => Promise<A[]> }): Promise<A[]> {
    const answers: A[] = [];
    while (answers.length < questions.length) {
      signal.throwIfAborted();
      const part = questions.slice(answers.length, answers.length + (this.#learnt[kind] ?? this.limits[kind]));
      try {
        const got = await ask(part);
        if (got.length !== part.length) throw new Error(`Cannot ${kind}: the server gave ${got.length} answers to ${part.length} questions`);
        for (const answer of got) answers.push(answer);
      } catch (error) {
        if (part.length === 1 || !isTooLarge(error)) throw error;
        this.#learnt[kind] = Math.ceil(part.length / 2);
      }
    }
    return answers;
  }
}

/** Reads what a view needs to know. @throws {Error} of the client library when the server does not answer. */
export async function openServerView(session: ClientSession, { signal }: { readonly signal: AbortSignal }): Promise<ServerView> {
  signal.throwIfAborted();
  const namespaces = await session.readNamespaceArray();
  const names = Object.keys(limitNodes) as (keyof OperationLimits)[];
  const values = await session.read(names.map((name) => ({ nodeId: `i=${limitNodes[name]}`, attributeId: AttributeIds.Value })));
  const limits = Object.fromEntries(names.map((name, at) => [name, limitOf(values[at])])) as unknown as OperationLimits;
  return new ServerView(session, { namespaces, limits });
}

function limitOf(data: DataValue | undefined): number {
  const stated: unknown = data?.statusCode.value === 0 ? data.value.value : undefined;
  return typeof stated === "number" && stated > 0 ? Math.min(stated, 10_000) : unstated;
}

const isTooLarge = (error: unknown): boolean => error instanceof Error && /BadTooManyOperations|BadEncodingLimitsExceeded|BadRequestTooLarge|BadResponseTooLarge|BadTcpMessageTooLarge/.test(error.message);

/** Browses and goes on at every continuation point (OPC 10000-4 §5.8.3). Nodes for which the server has no continuation point left are asked for again, one at a time. */
async function browseCompletely(session: ClientSession, nodes: BrowseDescriptionOptions[], maxReferences: number): Promise<BrowseAnswer[]> {
  const results = await session.browse(nodes);
  const answers = results.map(({ statusCode, references }) => ({ statusCode, references: references ?? [], cut: false }));
  let open = results.flatMap(({ continuationPoint }, index) => (continuationPoint?.length ? [{ index, continuationPoint }] : []));
  while (open.length > 0) {
    const full = open.filter(({ index }) => answers[index]!.references.length >= maxReferences);
    if (full.length > 0) await session.browseNext(full.map(({ continuationPoint }) => continuationPoint), true);
    for (const { index } of full) answers[index]!.cut = true;
    open = open.filter(({ index }) => !answers[index]!.cut);
    const more = open.length === 0 ? [] : await session.browseNext(open.map(({ continuationPoint }) => continuationPoint), false);
    open = more.flatMap(({ statusCode, references, continuationPoint }, at) => {
      const { index } = open[at]!;
      const answer = answers[index]!;
      if (statusCode.value !== 0) answer.statusCode = statusCode;
      for (const reference of references ?? []) answer.references.push(reference);
      return continuationPoint?.length ? [{ index, continuationPoint }] : [];
    });
  }
  for (const [index, answer] of answers.entries()) {
    if (nodes.length === 1 || !isOutOfContinuationPoints(answer.statusCode)) continue;
    answers[index] = (await browseCompletely(session, [nodes[index]!], maxReferences))[0] as typeof answer;
  }
  return answers;
}

const isOutOfContinuationPoints = (status: StatusCode): boolean => status.equals(StatusCodes.BadNoContinuationPoints) || status.equals(StatusCodes.BadContinuationPointInvalid);
