import { type EndpointDescription, ServerState, VariableIds } from "node-opcua-client";
import type { OperationLimits, ServerView } from "../server-view.ts";

/** What a server says of itself (OPC 10000-5 §12.10, ServerStatusDataType). */
export interface ProbedServer {
  readonly name: string;
  readonly applicationUri: string;
  readonly product: string;
  readonly manufacturer: string;
  readonly version: string;
  /** Such as Running. */
  readonly state: string;
  /** ISO text; undefined where the server does not say. */
  readonly started: string | undefined;
  /** Milliseconds that its clock is ahead of ours, as far as one request can tell. */
  readonly clockAhead: number | undefined;
  /** By index. */
  readonly namespaces: readonly string[];
  /** Operations in one request; where the server states none, what this plugin keeps to. */
  readonly limits: OperationLimits;
}

interface Status {
  readonly startTime?: Date | null;
  readonly currentTime?: Date | null;
  readonly state?: number;
  readonly buildInfo?: { readonly productName?: string | null; readonly manufacturerName?: string | null; readonly softwareVersion?: string | null };
}

/** Reads what a server says of itself. @throws {Error} of the client library when the server does not answer. */
export async function describeServer(view: ServerView, { endpoint, signal }: { readonly endpoint: EndpointDescription; readonly signal: AbortSignal }): Promise<ProbedServer> {
  const [data] = await view.read([{ nodeId: `i=${VariableIds.Server_ServerStatus}` }], { signal });
  const { startTime, currentTime, state, buildInfo } = (data!.statusCode.value === 0 ? (data!.value.value as Status | null) : undefined) ?? {};
  const { server } = endpoint;
  return {
    name: server.applicationName.text ?? "",
    applicationUri: server.applicationUri ?? "",
    product: buildInfo?.productName ?? server.productUri ?? "",
    manufacturer: buildInfo?.manufacturerName ?? "",
    version: buildInfo?.softwareVersion ?? "",
    state: state === undefined ? "unknown" : (ServerState[state] ?? String(state)),
    started: startTime?.toISOString(),
    clockAhead: currentTime ? currentTime.getTime() - Date.now() : undefined,
    namespaces: view.namespaces,
    limits: view.limits,
  };
}
