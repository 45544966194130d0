import { BusbarError, type Log } from "@busbar/core";
import { coerceMessageSecurityMode, coerceSecurityPolicy, OPCUAClient, type ClientSession } from "node-opcua-client";
import { chooseEndpoint, clientOptions, connectClient, readEndpoints, reasonOf, sendsSecretInClear, type ClientSettings } from "./endpoint.ts";
import { checkServerCertificate, type ServerTrust } from "./server-trust.ts";
import type { SecurityOffer, SecurityWish } from "./security-policy.ts";
import { carryIssuedToken, readUserIdentity, tokenTypeOf, type UserWish } from "./user-identity.ts";

/** How a server is connected to. */
export interface ConnectionSettings extends ClientSettings {
  readonly security: SecurityWish;
  readonly user: UserWish | undefined;
  readonly trust: Omit<ServerTrust, "url" | "log" | "now">;
  readonly log: Log;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
}

/** A channel with an active session. */
export interface ServerConnection {
  readonly session: ClientSession;
  readonly offer: SecurityOffer;
  /** Whether it is the session of the connection before: its subscriptions live on. */
  readonly kept: boolean;
  /** Resolves when it has ended, with the reason. */
  readonly ended: Promise<string>;
  /** Ends it from here, for a reason that `ended` gives; the server keeps the session. */
  break(reason: string): void;
  /** Closes the channel and leaves the session, with its subscriptions, to the server, for the next connection to take up. */
  leave(): Promise<void>;
  /** Closes the session and what it has at the server, then the channel. */
  close(): Promise<void>;
}

/**
 * Connects to a server: asks for its endpoints, chooses one, judges its certificate, opens the channel, and takes up the session of the connection before where the server still has it
 * (OPC 10000-4 §6.7), else makes one.
 * @throws {BusbarError} UNAVAILABLE or UNAUTHENTICATED, saying in one line why; the signal's reason when it aborts.
 */
export async function openConnection(settings: ConnectionSettings, { previous, signal }: { readonly previous: ClientSession | undefined; readonly signal: AbortSignal }): Promise<ServerConnection> {
  const { url, security, user, trust, log } = settings;
  const tokenType = tokenTypeOf(user);
  const chosen = chooseEndpoint(await readEndpoints(settings, signal), { wish: security, tokenType, url });
  const { endpoint, offer } = chosen;
  if (offer.policy !== "None") await checkServerCertificate(endpoint.serverCertificate ?? Buffer.alloc(0), { ...trust, url, log, now: settings.now() });
  if (sendsSecretInClear(chosen, tokenType)) log.warn("the secret of the user goes to the server in plain text; choose a security policy");
  const client = OPCUAClient.create({
    ...clientOptions(settings),
    securityMode: coerceMessageSecurityMode(offer.mode),
    securityPolicy: coerceSecurityPolicy(offer.policy),
    ...(endpoint.serverCertificate?.length ? { serverCertificate: endpoint.serverCertificate } : {}),
  });
  if (user?.token !== undefined) carryIssuedToken(client);
  const { promise: ended, resolve: end } = Promise.withResolvers<string>();
  client.on("close", (error) => end(error ? reasonOf(error) : "the channel was closed"));
  try {
    await connectClient(client, url, signal);
    const kept = previous !== undefined && (await takeUp(client, previous, log));
    const session = kept ? previous : await client.createSession(await readUserIdentity(user)).catch((cause: unknown) => {
      throw new BusbarError(/Token|UserAccess/.test(String(cause)) ? "UNAUTHENTICATED" : "UNAVAILABLE", `Cannot open a session at ${url}: ${reasonOf(cause)}`, { cause, retryable: true });
    });
    signal.throwIfAborted();
    session.once("session_closed", () => end("the session was closed"));
    session.once("session_restored", () => end("the server had forgotten the session")); // node-opcua made another one in its place, without our subscriptions
    return { session, offer, kept, ended, break: end, leave: () => leave(client, session), close: () => close(client, session) };
  } catch (error) {
    await client.disconnect();
    throw error;
  }
}

async function takeUp(client: OPCUAClient, previous: ClientSession, log: Log): Promise<boolean> {
  try {
    await client.reactivateSession(previous);
    return true;
  } catch (error) {
    log.debug("the server has not kept the session", { reason: reasonOf(error) });
    return false;
  }
}

async function leave(client: OPCUAClient, session: ClientSession): Promise<void> {
  session.removeAllListeners();
  await client.disconnect();
}

async function close(client: OPCUAClient, session: ClientSession): Promise<void> {
  session.removeAllListeners();
  await session.close(true); // says nothing to the server when the channel has ended
  await client.disconnect();
}
