import process from "node:process";
import type { OpcuaProbeReport, ProbedNode } from "@busbar/opcua/probe";
import { Failure, usageFailure } from "../failure.ts";
import { formatTable, oneLine, paint, print } from "../terminal.ts";
import { defineProbe } from "./probe-protocol.ts";

const policies = ["auto", "None", "Basic128Rsa15", "Basic256", "Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"] as const;

/** Characters of a value that a table shows. */
const widest = 40;

/** `busbar probe opcua`. */
export const opcuaProbe = defineProbe({
  address: "opc.tcp://host[:port][/path] (default port 4840)",
  options: {
    under: { kind: "text", value: "node", text: "opcua: where the tree begins, as a config writes nodes: ns=2;s=…, nsu=http://…;s=… or /Objects/Plant (default: all but what every server has)" },
    depth: { kind: "number", value: "n", min: 1, max: 64, whole: true, text: "opcua: levels of the tree", fallback: 10 },
    limit: { kind: "number", value: "n", min: 1, max: 100_000, whole: true, text: "opcua: nodes of the tree at the most", fallback: 1_000 },
    policy: { kind: "choice", of: policies, text: "opcua: security policy; auto is the strongest that is offered", fallback: "auto" },
    user: { kind: "text", value: "name", text: "opcua: user name; the password is BUSBAR_OPCUA_PASSWORD in the environment" },
    trust: { kind: "flag", text: "opcua: put the server's certificate among the trusted ones: compare its fingerprint first" },
    pki: { kind: "text", value: "folder", text: "opcua: the folder of certificates, as in the config", fallback: "data/pki/opcua" },
    timeout: { kind: "duration", min: 10, max: 60_000, text: "how long an answer may take (default 1s for modbus, 5s for opcua)" },
  },
  examples: [
    ["busbar probe opcua opc.tcp://192.168.1.10:4840", "its endpoints, and all it has"],
    ["busbar probe opcua opc.tcp://192.168.1.10 --trust", "accept its certificate, after a look at the fingerprint"],
    ["busbar probe opcua opc.tcp://192.168.1.10 --under /Objects/Plant --depth 3 --user operator", "a part of it, as a user"],
  ],
  async run(address, options) {
    const url = parseUrl(address);
    const password = process.env["BUSBAR_OPCUA_PASSWORD"];
    if (options.user !== undefined && password === undefined) throw usageFailure("probe: --user needs the password in BUSBAR_OPCUA_PASSWORD");
    const { probeOpcua, parseNodeAddress } = await import("@busbar/opcua/probe");
    try {
      if (options.under !== undefined) parseNodeAddress(options.under);
    } catch (error) {
      throw usageFailure(`probe: --under: ${oneLine((error as Error).message)}`);
    }
    const interrupted = new AbortController();
    const interrupt = (): void => interrupted.abort(new Failure(130, []));
    process.once("SIGINT", interrupt);
    try {
      const { under, depth, limit, policy, user, trust, pki, timeout } = options;
      const report = await probeOpcua({ url, under, depth, limit, policy, trust, pki, timeout: timeout ?? 5_000, user: user === undefined ? undefined : { name: user, password }, signal: interrupted.signal });
      print(options.json ? JSON.stringify(report) : formatReport(report));
      return report.fault === undefined ? 0 : 69;
    } finally {
      process.off("SIGINT", interrupt);
    }
  },
});

function parseUrl(address: string): string {
  const url = URL.parse(address.includes("://") ? address : `opc.tcp://${address}`);
  if (url === null || url.protocol !== "opc.tcp:" || url.hostname === "") throw usageFailure(`probe: the address must be such as opc.tcp://192.168.1.10:4840, not "${oneLine(address)}"`);
  if (url.username !== "" || url.password !== "") throw usageFailure("probe: the address must not hold a name or password; say --user");
  return `opc.tcp://${url.hostname}:${url.port || 4840}${url.pathname}`.replace(/\/$/, "");
}

function formatReport(report: OpcuaProbeReport): string {
  const { endpoints, certificate, trusted, connection, server, tree, fault, notes, yaml } = report;
  const parts = [formatTable([["ENDPOINT", "POLICY", "MODE", "USERS", ""], ...endpoints.map(({ url, policy, mode, users, usable }) => [oneLine(url), oneLine(policy), oneLine(mode), users.join(", "), usable ? "" : "not supported here"])])];
  if (certificate !== undefined) {
    const day = (time: number): string => new Date(time).toISOString().slice(0, 10);
    parts.push(`certificate ${oneLine(certificate.subject)}, valid ${day(certificate.validFrom)} to ${day(certificate.validTo)}\n  SHA-256 ${certificate.sha256}\n  SHA-1   ${certificate.sha1}${trusted === undefined ? "" : `\n  put among the trusted ones in ${trusted}`}`);
  }
  if (connection !== undefined) parts.push(`connected with ${connection.policy}${connection.policy === "None" ? "" : ` ${connection.mode}`}`);
  if (server !== undefined) parts.push(formatServer(server));
  if (tree !== undefined) parts.push(formatTree(tree));
  for (const note of notes) parts.push(paint("yellow", `note: ${oneLine(note)}`));
  if (fault !== undefined) parts.push(paint("red", `no more than this: ${oneLine(fault)}`));
  if (yaml !== "") parts.push(`${paint("bold", "To paste into a config")} (ids and tags are suggestions)\n\n${yaml.trimEnd()}`);
  return parts.join("\n\n");
}

function formatServer({ name, product, manufacturer, version, state, started, clockAhead, namespaces, limits }: NonNullable<OpcuaProbeReport["server"]>): string {
  const clock = clockAhead === undefined || Math.abs(clockAhead) < 1_000 ? [] : [`its clock is ${Math.abs(clockAhead) / 1_000} s ${clockAhead > 0 ? "ahead of" : "behind"} ours`];
  return [
    `${paint("bold", oneLine(name) || "server")}: ${[product, manufacturer, version].filter((text) => text !== "").map(oneLine).join(", ")}`,
    `  ${[state, ...(started === undefined ? [] : [`since ${started}`]), ...clock].join(", ")}`,
    `  operations in a request: ${Object.entries(limits).map(([kind, most]) => `${kind} ${most}`).join(", ")}`,
    ...namespaces.map((uri, index) => `  namespace ${index} ${oneLine(uri)}`),
  ].join("\n");
}

function formatTree({ under, nodes, cut }: NonNullable<OpcuaProbeReport["tree"]>): string {
  const rows = nodes.map((node) => [`${"  ".repeat(node.names.length - 1)}${oneLine(node.names.at(-1)!)}`, node.type ?? node.kind, node.access ?? "", oneLine(node.unit ?? ""), node.range === undefined ? "" : `${node.range.low} to ${node.range.high}`, valueText(node), oneLine(node.nodeId)]);
  const rest = cut === undefined ? [] : [`  there is more: --${cut} was met`];
  return [paint("bold", `below ${oneLine(under)}`), rows.length === 0 ? "  nothing" : formatTable([["NAME", "TYPE", "ACCESS", "UNIT", "RANGE", "VALUE", "NODE"], ...rows], "  "), ...rest].join("\n");
}

function valueText({ value, quality, code }: ProbedNode): string {
  if (quality === undefined) return "";
  const text = oneLine(JSON.stringify(value) ?? "");
  const shown = text.length > widest ? `${text.slice(0, widest - 1)}…` : text;
  return code === undefined ? shown : value === null ? code : `${shown} (${code})`;
}
