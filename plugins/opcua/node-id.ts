import type { NodeId } from "node-opcua-client";

/** A node as it is written in a config: by its id, or by the way to it from the root. */
export type NodeAddress =
  | {
      readonly kind: "id";
      /** The namespace's index on the server, or its URI, which does not change when the server numbers its namespaces anew. */
      readonly namespace: number | string;
      /** Such as `s=press-1.temperature`, `i=2258`, `g=…` or `b=…`. */
      readonly identifier: string;
    }
  | {
      readonly kind: "path";
      readonly steps: readonly PathStep[];
      /** Where the path begins; default the root. */
      readonly start?: NodeId;
    };

/** One step of a browse path: a browse name. */
export interface PathStep {
  /** Index or URI of the name's namespace; undefined = any. */
  readonly namespace: number | string | undefined;
  readonly name: string;
}

const maxLength = 4_096;
const identifiers: Readonly<Record<string, RegExp>> = {
  i: /^\d{1,10}$/,
  s: /^[^\0]+$/s,
  g: /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/i,
  b: /^(?:[A-Za-z\d+/]{4})*(?:[A-Za-z\d+/]{2}==|[A-Za-z\d+/]{3}=)?$/,
};

/**
 * Reads a node's address: `ns=2;s=press-1.temperature`, `nsu=http://example.com/plant;s=…` (both OPC 10000-6 §5.1.12; the identifier is `i=` a number, `s=` text, `g=` a GUID or
 * `b=` base64), or a browse path from the root: `/Objects/Plant/2:press-1/temperature`. A step of a path may name its namespace by index or as `nsu=http://example.com/plant;press-1`, else
 * the name counts in any namespace. In a URI `%25` is `%` and `%3B` is `;`; in a name `&` takes the meaning from the character after it (OPC 10000-4 Annex A.2): `&/`, `&:`, `&&`.
 * @throws {SyntaxError} saying what is wrong where.
 */
export function parseNodeAddress(text: string): NodeAddress {
  const fail = (what: string): SyntaxError => new SyntaxError(`Cannot read the node ${JSON.stringify(text.slice(0, 200))}: ${what}`);
  if (text.length > maxLength) throw fail(`longer than ${maxLength} characters`);
  if (text.startsWith("/")) {
    const steps = parseSteps(text);
    if (steps === undefined) throw fail("a step of a path is a browse name such as press-1, 2:press-1 or nsu=http://example.com/plant;press-1");
    return { kind: "path", steps };
  }
  const [, index, uri, kind = "", identifier = ""] = /^(?:ns=(\d+);|nsu=([^;]+);)?([isgb])=(.*)$/s.exec(text) ?? [];
  if (kind === "") throw fail("expected ns=2;s=name, nsu=http://example.com/plant;s=name or a path such as /Objects/Plant/press-1");
  if (!identifiers[kind]!.test(identifier) || (kind === "i" && Number(identifier) > 0xffffffff)) throw fail(`"${kind}=" wants ${{ i: "a number from 0 to 4294967295", s: "a text", g: "a GUID", b: "base64" }[kind]}`);
  if (index !== undefined && Number(index) > 65_535) throw fail("a namespace index is 0 to 65535");
  return { kind: "id", namespace: uri === undefined ? Number(index ?? 0) : unescapeUri(uri), identifier: `${kind}=${identifier}` };
}

/** A node id as text that stays true when the server numbers its namespaces anew: `nsu=http://example.com/plant;s=press-1`, and `i=2258` in namespace 0. Without the namespaces, or one of that index: `ns=2;s=press-1`. */
export function formatNodeId(nodeId: NodeId, namespaces: readonly string[] = []): string {
  const text = nodeId.toString().replace(/^ns=\d+;/, "");
  if (nodeId.namespace === 0) return text;
  const uri = namespaces[nodeId.namespace];
  return uri === undefined ? `ns=${nodeId.namespace};${text}` : `nsu=${escapeUri(uri)};${text}`;
}

/** A browse name as a step of a path; with namespaces their URI is written, else the index. */
export function formatStep({ namespace, name }: { readonly namespace: number; readonly name: string }, namespaces?: readonly string[]): string {
  const escaped = name.replaceAll(/[/:&]/g, "&$&");
  if (namespace === 0) return escaped.startsWith("nsu=") ? `&${escaped}` : escaped;
  const uri = namespaces?.[namespace];
  return uri === undefined ? `${namespace}:${escaped}` : `nsu=${escapeUri(uri)};${escaped}`;
}

/** A slash, the namespace if it is named, and a name in which `&` takes the meaning from what follows. */
const stepPattern = /\/(?:nsu=([^;]+);|(\d{1,5}):)?((?:[^/:&]|&.)+)(?=\/|$)/suy;

/** A step begins after a slash. Undefined where one is none. */
function parseSteps(text: string): readonly PathStep[] | undefined {
  const steps: PathStep[] = [];
  for (let at = 0; at < text.length; ) {
    stepPattern.lastIndex = at;
    const [whole, uri, index, name] = stepPattern.exec(text) ?? [];
    if (whole === undefined || name === undefined || Number(index ?? 0) > 65_535) return undefined;
    steps.push({ namespace: uri === undefined ? (index === undefined ? undefined : Number(index)) : unescapeUri(uri), name: name.replaceAll(/&(.)/gsu, "$1") });
    at += whole.length;
  }
  return steps;
}

const unescapeUri = (uri: string): string => uri.replaceAll(/%(25|3B)/gi, (_, code: string) => (code === "25" ? "%" : ";"));
const escapeUri = (uri: string): string => uri.replaceAll("%", "%25").replaceAll(";", "%3B");
