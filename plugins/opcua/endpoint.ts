import { BusbarError } from "@busbar/core";
import { MessageSecurityMode, OPCUAClient, type EndpointDescription, type OPCUAClientOptions, type UserTokenType, UserTokenType as TokenTypes } from "node-opcua-client";
import type { OwnCertificate } from "./own-certificate.ts";
import { fitsWish, securityPolicies, strength, type SecurityOffer, type SecurityPolicyName, type SecurityWish } from "./security-policy.ts";

/** What every connection to a server is made with. */
export interface ClientSettings {
  readonly url: string;
  readonly own: OwnCertificate;
  /** Milliseconds for one answer of the server, and for connecting. */
  readonly timeout: number;
  /** Milliseconds after which something is said at the latest, once there is a session. Default 0. */
  readonly keepAlive?: number;
  /** Milliseconds: how long the server keeps a session while the connection is down. Default 60,000. */
  readonly sessionTimeout?: number;
}

/** The options of a client that connects once: whether and when to try again is not its business, and its sessions outlive it. */
export function clientOptions({ own, timeout, keepAlive = 0, sessionTimeout = 60_000 }: ClientSettings): OPCUAClientOptions {
  return {
    applicationName: "Busbar",
    applicationUri: own.applicationUri,
    clientName: "Busbar",
    certificateKeyPairProvider: own,
    connectionStrategy: { maxRetry: 0, initialDelay: 100, maxDelay: 100 },
    transportTimeout: (timeout + keepAlive) * 2, // of silence on the socket, too: who waits for an answer gives up before
    defaultTransactionTimeout: timeout,
    requestedSessionTimeout: sessionTimeout,
    keepPendingSessionsOnDisconnect: true,
    endpointMustExist: false,
    keepSessionAlive: false,
  };
}

/** Asks a server for its endpoints, over a channel without security, as servers offer it for this (OPC 10000-4 §5.5.2). @throws {BusbarError} UNAVAILABLE when it does not answer. */
export async function readEndpoints(settings: ClientSettings, signal: AbortSignal): Promise<readonly EndpointDescription[]> {
  const client = OPCUAClient.create(clientOptions(settings));
  try {
    await connectClient(client, settings.url, signal);
    return await client.getEndpoints();
  } catch (cause) {
    signal.throwIfAborted();
    throw cause instanceof BusbarError ? cause : new BusbarError("UNAVAILABLE", `Cannot ask ${settings.url} for its endpoints`, { cause });
  } finally {
    await client.disconnect();
  }
}

/** Connects, and gives up when the signal aborts. @throws {BusbarError} UNAVAILABLE when nothing can be reached. */
export async function connectClient(client: OPCUAClient, url: string, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const giveUp = (): void => void client.disconnect().catch(() => {});
  signal.addEventListener("abort", giveUp, { once: true });
  try {
    await client.connect(url);
  } catch (cause) {
    signal.throwIfAborted();
    throw new BusbarError("UNAVAILABLE", `Cannot connect to ${url}: ${reasonOf(cause)}`, { cause });
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}

/** Texts of node-opcua and of the system, in fewer words. */
const reasons: readonly (readonly [RegExp, string])[] = [
  [/ECONNREFUSED/, "nothing listens there"],
  [/ENOTFOUND|EAI_AGAIN/, "the host name is not known"],
  [/EHOSTUNREACH|ENETUNREACH/, "there is no way to that address"],
  [/disconnected by third party|Connection Break|ECONNRESET|EPIPE/, "the other side or the network cut the connection"],
  [/ETIMEDOUT|timeout|timed out/i, "it does not answer in time"],
  [/BadSecurityChecksFailed|BadCertificateUntrusted/, "the server does not trust our certificate (BadSecurityChecksFailed): trust it there"],
  [/BadSecurityPolicyRejected/, "the server refuses the security policy (BadSecurityPolicyRejected)"],
  [/BadTooManySessions/, "the server has no session left (BadTooManySessions)"],
  [/BadIdentityTokenRejected|BadIdentityTokenInvalid|BadUserAccessDenied/, "the server refuses the user (name, password, certificate or token)"],
];

/** Why something at the connection failed, in one line: what is said in the library's many lines, or its first one. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const status = /\bBad[A-Z]\w+/.exec(text)?.[0];
  return reasons.find(([pattern]) => pattern.test(text))?.[1] ?? status ?? text.split("\n")[0]!.trim();
}

/** What an endpoint offers; undefined for a policy that we do not have. */
export function offerOf({ securityPolicyUri, securityMode }: EndpointDescription): SecurityOffer | undefined {
  const policy = securityPolicyUri?.split("#")[1];
  if (!securityPolicies.includes(policy as SecurityPolicyName)) return undefined;
  const mode = securityMode === MessageSecurityMode.SignAndEncrypt ? "SignAndEncrypt" : securityMode === MessageSecurityMode.Sign ? "Sign" : "None";
  return (mode === "None") === (policy === "None") ? { policy: policy as SecurityPolicyName, mode } : undefined;
}

/** An endpoint and what it offers. */
export interface ChosenEndpoint {
  readonly endpoint: EndpointDescription;
  readonly offer: SecurityOffer;
}

/**
 * The strongest endpoint that fits the wish and takes the kind of user.
 * @throws {BusbarError} UNAVAILABLE, naming all that the server offers.
 */
export function chooseEndpoint(endpoints: readonly EndpointDescription[], { wish, tokenType, url }: { readonly wish: SecurityWish; readonly tokenType: UserTokenType; readonly url: string }): ChosenEndpoint {
  const offered = endpoints.flatMap((endpoint): ChosenEndpoint[] => {
    const offer = offerOf(endpoint);
    return offer === undefined ? [] : [{ endpoint, offer }];
  });
  const fitting = offered.filter(({ offer }) => fitsWish(wish, offer));
  const taking = fitting.filter(({ endpoint }) => takesUser(endpoint, tokenType));
  const best = taking.sort((one, other) => strength(other.offer) - strength(one.offer))[0];
  if (best !== undefined) return best;
  const all = [...new Set(offered.map(({ offer, endpoint }) => `${offer.policy === "None" ? "None" : `${offer.policy} ${offer.mode}`} (${tokensOf(endpoint)})`))].join(", ") || "nothing that we know";
  const wanted = wish.policy === "auto" ? "a security policy that is not deprecated" : `${wish.policy}${wish.mode === "auto" ? "" : ` ${wish.mode}`}`;
  const hint = wish.policy === "auto" && fitting.length === 0 ? "; where the network is trusted say security: { policy: None }" : "";
  throw new BusbarError("UNAVAILABLE", `Cannot choose an endpoint of ${url}: wanted is ${wanted} for a user of kind ${TokenTypes[tokenType]}, offered is ${all}${hint}`);
}

function takesUser({ userIdentityTokens }: EndpointDescription, tokenType: UserTokenType): boolean {
  return userIdentityTokens?.some((policy) => policy.tokenType === tokenType) ?? tokenType === TokenTypes.Anonymous;
}

function tokensOf({ userIdentityTokens }: EndpointDescription): string {
  return [...new Set(userIdentityTokens?.map(({ tokenType }) => TokenTypes[tokenType]) ?? [])].join(", ") || "no users";
}

/** Whether the secret of a user of that kind is readable for whoever sees the network: neither the channel encrypts nor the policy of its token. */
export function sendsSecretInClear({ endpoint, offer }: ChosenEndpoint, tokenType: UserTokenType): boolean {
  if (offer.mode === "SignAndEncrypt" || (tokenType !== TokenTypes.UserName && tokenType !== TokenTypes.IssuedToken)) return false;
  const policy = endpoint.userIdentityTokens?.find((one) => one.tokenType === tokenType)?.securityPolicyUri;
  return policy === null || policy === undefined || policy === "" ? offer.policy === "None" : policy.endsWith("#None");
}
