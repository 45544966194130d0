import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLog, errorText, systemClock } from "@busbar/core";
import { type EndpointDescription, UserTokenType } from "node-opcua-client";
import { type CertificateText, describeCertificate, firstCertificate } from "../certificate-text.ts";
import { offerOf, readEndpoints, sendsSecretInClear, type ClientSettings } from "../endpoint.ts";
import { logLibrary } from "../library-log.ts";
import { openOwnCertificate } from "../own-certificate.ts";
import { fitsWish, type SecurityPolicyName, type SecurityWish } from "../security-policy.ts";
import { openConnection } from "../server-connection.ts";
import { trustServerCertificate } from "../server-trust.ts";
import { openServerView } from "../server-view.ts";
import { tokenTypeOf, type UserWish } from "../user-identity.ts";
import { describeServer, type ProbedServer } from "./describe-server.ts";
import { probeTree, type ProbedTree } from "./probe-tree.ts";
import { suggestConfig } from "./suggest-config.ts";

export { parseNodeAddress } from "../node-id.ts";
export type { ProbedServer } from "./describe-server.ts";
export type { ProbedNode, ProbedTree } from "./probe-tree.ts";

/** What is probed, and how. */
export interface OpcuaProbeOptions {
  /** `opc.tcp://host:port/path`. */
  readonly url: string;
  /** `auto`: the strongest that is offered, None only where there is nothing else. */
  readonly policy: SecurityPolicyName | "auto";
  readonly user?: UserWish | undefined;
  /** The folder of the own certificate and of trusted ones. Nothing is made in it unless the channel is secured. */
  readonly pki: string;
  /** Whether the server's certificate is put among the trusted ones. */
  readonly trust: boolean;
  /** Where the tree begins, as a config writes nodes; default the Objects folder without the server's own object. */
  readonly under?: string | undefined;
  /** Levels, 1 to 64. */
  readonly depth: number;
  /** Nodes at the most. */
  readonly limit: number;
  /** Milliseconds that an answer may take. */
  readonly timeout: number;
  readonly signal: AbortSignal;
}

/** An endpoint as it is offered. */
export interface ProbedEndpoint {
  readonly url: string;
  /** As the server names it, such as Basic256Sha256. */
  readonly policy: string;
  readonly mode: string;
  /** Kinds of users that it takes. */
  readonly users: readonly string[];
  /** Whether this plugin can use it. */
  readonly usable: boolean;
}

/** What was found. */
export interface OpcuaProbeReport {
  readonly url: string;
  readonly endpoints: readonly ProbedEndpoint[];
  /** Of the server; undefined where it shows none. */
  readonly certificate: CertificateText | undefined;
  /** Where that certificate was put among the trusted ones. */
  readonly trusted: string | undefined;
  /** How it was connected to. */
  readonly connection: { readonly policy: string; readonly mode: string } | undefined;
  readonly server: ProbedServer | undefined;
  readonly tree: ProbedTree | undefined;
  /** Why there is no more than this. */
  readonly fault: string | undefined;
  /** What whoever uses it should know. */
  readonly notes: readonly string[];
  /** A section for a config, empty where nothing could be read. */
  readonly yaml: string;
}

const modes = ["Invalid", "None", "Sign", "SignAndEncrypt"];

/**
 * Asks a server for its endpoints, connects to it, and reads what an engineer needs for the config. Nothing is written to the server. What fails after the endpoints are known is the report's `fault`.
 * @throws {BusbarError} UNAVAILABLE when nobody answers.
 */
export async function probeOpcua(options: OpcuaProbeOptions): Promise<OpcuaProbeReport> {
  const { pki, signal, timeout, url, user } = options;
  const log = createLog({ clock: systemClock, level: "error", write: () => {} });
  logLibrary(log);
  const temporary = await mkdtemp(join(tmpdir(), "busbar-probe-"));
  try {
    const own = await openOwnCertificate(existsSync(join(pki, "own")) ? pki : temporary, { applicationUri: undefined, now: systemClock.now() });
    const settings: ClientSettings = { url, own, timeout };
    const endpoints = await readEndpoints(settings, signal);
    const certificate = certificateOf(endpoints);
    const wish = wishOf(options, endpoints);
    const trusted = options.trust && certificate !== undefined ? join(pki, "trusted/certs") : undefined;
    if (trusted !== undefined) await trustServerCertificate(certificate!.chain, pki);
    const found = { url, endpoints: endpoints.map(describeEndpoint), certificate: certificate?.text, trusted };
    const notes = notesOf(endpoints, { wish, user });
    try {
      const secured = wish.policy !== "None" ? await openOwnCertificate(pki, { applicationUri: undefined, now: systemClock.now() }) : own;
      const trust = { pki, trusted: [], acceptUnknown: false, instance: "opcua" };
      const connection = await openConnection({ ...settings, own: secured, security: wish, user, trust, log, now: () => systemClock.now() }, { previous: undefined, signal });
      try {
        const view = await openServerView(connection.session, { signal });
        const server = await describeServer(view, { endpoint: connection.session.endpoint, signal });
        const tree = await probeTree(view, options);
        const pinned = wish.policy === "None" ? undefined : certificate?.text.sha256;
        return { ...found, connection: connection.offer, server, tree, fault: undefined, notes, yaml: suggestConfig(tree, { url, policy: options.policy === "auto" && wish.policy === "auto" ? undefined : wish.policy, user, pinned }) };
      } finally {
        await connection.close();
      }
    } catch (error) {
      signal.throwIfAborted();
      return { ...found, connection: undefined, server: undefined, tree: undefined, fault: errorText(error), notes: [...notes, ...adviceOf(error, own.file)], yaml: "" };
    }
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

function describeEndpoint(endpoint: EndpointDescription): ProbedEndpoint {
  const { endpointUrl, securityPolicyUri, securityMode, userIdentityTokens } = endpoint;
  const users = new Set((userIdentityTokens ?? []).map(({ tokenType }) => UserTokenType[tokenType] ?? String(tokenType)));
  return { url: endpointUrl ?? "", policy: securityPolicyUri?.split("#")[1] ?? securityPolicyUri ?? "", mode: modes[securityMode] ?? String(securityMode), users: [...users], usable: offerOf(endpoint) !== undefined };
}

function certificateOf(endpoints: readonly EndpointDescription[]): { readonly chain: Uint8Array; readonly text: CertificateText } | undefined {
  const chain = endpoints.find(({ serverCertificate }) => (serverCertificate?.length ?? 0) > 0)?.serverCertificate;
  if (!chain) return undefined;
  try {
    return { chain, text: describeCertificate(firstCertificate(chain)) };
  } catch {
    return undefined; // shown as none; connecting with security says what is wrong with it
  }
}

/** Where nobody names a policy: a probe is of use with a server that offers nothing but None, too. */
function wishOf({ policy }: OpcuaProbeOptions, endpoints: readonly EndpointDescription[]): SecurityWish {
  const wish: SecurityWish = { policy, mode: "auto" };
  const offers = endpoints.flatMap((endpoint) => offerOf(endpoint) ?? []);
  return policy === "auto" && !offers.some((offer) => fitsWish(wish, offer)) && offers.some((offer) => offer.policy === "None") ? { policy: "None", mode: "auto" } : wish;
}

function notesOf(endpoints: readonly EndpointDescription[], { wish, user }: { readonly wish: SecurityWish; readonly user: UserWish | undefined }): readonly string[] {
  if (wish.policy !== "None") return [];
  const inClear = endpoints.some((endpoint) => {
    const offer = offerOf(endpoint);
    return offer?.policy === "None" && sendsSecretInClear({ endpoint, offer }, tokenTypeOf(user));
  });
  return ["the connection is neither signed nor encrypted (policy None)", ...(inClear ? ["the password goes to the server in plain text"] : [])];
}

function adviceOf(error: unknown, certificateFile: string): readonly string[] {
  return /does not trust our certificate/.test(errorText(error)) ? [`trust this certificate at the server: ${certificateFile}`] : [];
}
