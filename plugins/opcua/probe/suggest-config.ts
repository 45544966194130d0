import { isId } from "@busbar/core";
import type { UserWish } from "../user-identity.ts";
import type { ProbedNode, ProbedTree } from "./probe-tree.ts";

/** How the server was connected to. */
export interface SuggestOptions {
  readonly url: string;
  /** Undefined: what a config without `security` does. */
  readonly policy: string | undefined;
  readonly user: UserWish | undefined;
  /** SHA-256 fingerprint of the server's certificate, where the channel was secured. */
  readonly pinned: string | undefined;
}

/** Nodes that a suggestion names at the most: nobody pastes more than that unread, and `folders` takes them all. */
const mostNodes = 200;

/** A section for a config that publishes the variables that were found, as YAML that `busbar check` takes: device ids and tags want better names. Empty where there are none. */
export function suggestConfig({ nodes, under }: ProbedTree, { url, policy, user, pinned }: SuggestOptions): string {
  const variables = nodes.filter(({ kind, access }) => kind === "variable" && access?.startsWith("r"));
  const methods = nodes.filter(({ kind }) => kind === "method");
  const conditions = nodes.filter(({ kind }) => kind === "condition");
  if (variables.length === 0) return "";
  const named = nameAll(variables);
  const lines = [
    "plugins:",
    "  opcua:",
    `    url: ${quoted(url)}`,
    ...(policy === undefined ? [] : [`    security: { policy: ${policy} }`]),
    ...(pinned === undefined ? [] : [`    trustedServers: [${quoted(pinned)}]   # compare it with what the device shows`]),
    ...(user?.name === undefined ? [] : [`    user: { name: ${quoted(user.name)}, password: "\${env:BUSBAR_OPCUA_PASSWORD}" }`]),
    `    # all of it, in place of nodes: folders: [{ under: ${quoted(commonFolder(variables, { nodes, under }))}, device: "{1}", tag: "{2..}" }]`,
    "    nodes:",
    ...variables.slice(0, mostNodes).map((node, at) => `      - { node: ${quoted(node.nodeId)}, tag: ${quoted(named[at]!.tag)}${named[at]!.device === undefined ? "" : `, device: ${quoted(named[at]!.device)}`} }   # ${remark(node)}`),
    ...(variables.length > mostNodes ? [`      # and ${variables.length - mostNodes} more: folders takes them all`] : []),
    ...(conditions.length > 0 ? ['    alarms: { sources: ["i=2253"] }   # of the whole server'] : []),
    ...(methods.length === 0 ? [] : ["    # allowWrites: true    # with it set points are written and these methods may be called", "    # methods:", ...methods.slice(0, mostNodes).map((node) => methodLine(node, nodes))]),
  ];
  return lines.join("\n") + "\n";
}

/** The lowest node above what all variables lie in, so that the next level is the device and the one after that the tag. */
function commonFolder(variables: readonly ProbedNode[], { nodes, under }: Pick<ProbedTree, "nodes" | "under">): string {
  const [first, ...others] = variables.map(({ names }) => names.slice(0, -2));
  const depth = first!.findIndex((name, at) => others.some((names) => names[at] !== name));
  const common = first!.slice(0, depth < 0 ? first!.length : depth);
  return nodes.find(({ names }) => names.length === common.length && names.every((name, at) => name === common[at]))?.nodeId ?? under;
}

/** The device is what a variable lies in, where that makes each tag of it unique; else there is one device, and a tag is the whole way. */
function nameAll(variables: readonly ProbedNode[]): readonly { readonly device: string | undefined; readonly tag: string }[] {
  const short = variables.map(({ names }) => ({ device: names.length < 2 ? undefined : names.at(-2)!.replace(/[^A-Za-z0-9._:@-]/g, "_"), tag: names.at(-1)!.slice(0, 256) }));
  const counts = new Map<string, number>();
  const keyOf = ({ device, tag }: { readonly device: string | undefined; readonly tag: string }): string => `${device ?? ""}\0${tag}`;
  for (const name of short) counts.set(keyOf(name), (counts.get(keyOf(name)) ?? 0) + 1);
  return short.map((name, at) => (counts.get(keyOf(name)) === 1 && (name.device === undefined || isDevice(name.device)) && name.tag !== "" ? name : { device: undefined, tag: `${at}.${variables[at]!.names.join(".")}`.slice(0, 256) }));
}

const isDevice = (id: string): boolean => isId(id) && id !== "server" && id !== "all" && id !== "group";

function remark({ type, unit, range, access, value, code }: ProbedNode): string {
  const parts = [type, unit, range && `${range.low} to ${range.high}`, access?.includes("w") ? "writable" : undefined, access?.includes("h") ? "history" : undefined, code ?? JSON.stringify(value)?.slice(0, 40)];
  return parts.filter((part) => part !== undefined && part !== "").join(", ").replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, " ");
}

function methodLine(method: ProbedNode, nodes: readonly ProbedNode[]): string {
  const parent = method.names.slice(0, -1);
  const object = nodes.find(({ names }) => names.length === parent.length && names.every((name, at) => name === parent[at]));
  return `    #   - { name: ${quoted(method.names.at(-1)!)}, object: ${quoted(object?.nodeId ?? "i=85")}, method: ${quoted(method.nodeId)} }`;
}

/** Text as YAML and JSON write it, on one line. */
const quoted = (text: string): string => JSON.stringify(text).replace(/[\u007f-\u009f\u2028\u2029]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
