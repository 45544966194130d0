import { coerceNodeId, type NodeId } from "node-opcua-client";
import type { NodeAddress } from "./node-id.ts";

/** The id of an address in a server's namespaces; undefined where the server has no such namespace. */
export function nodeIdOf(address: Extract<NodeAddress, { kind: "id" }>, namespaces: readonly string[]): NodeId | undefined {
  const index = typeof address.namespace === "number" ? address.namespace : namespaces.indexOf(address.namespace);
  return index < 0 ? undefined : coerceNodeId(address.identifier, index);
}
