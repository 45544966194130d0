import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { closeMeaning } from "@busbar/client";
import { BusbarError } from "@busbar/core";
import type { Access } from "./access.ts";
import { WebSocket } from "ws";
import { oneLine } from "../terminal.ts";

/**
 * Opens a JSON session (WIRE §2) that a token for `id` in the upgrade request authenticates.
 * @throws {BusbarError} UNAVAILABLE when nobody answers there, UNAUTHENTICATED when the token is refused.
 */
export async function openWebSocket({ url, ca, tokenFor }: Access, id: string): Promise<WebSocket> {
  const token = await tokenFor(id);
  const socket = new WebSocket(url, "busbar.v1.json", { headers: { authorization: `Bearer ${token}` }, handshakeTimeout: 10_000, perMessageDeflate: false, ...(ca === undefined ? {} : { ca }) });
  const refused = once(socket, "unexpected-response").then(([, response]: IncomingMessage[]) => {
    const status = response?.statusCode ?? 0;
    socket.terminate();
    throw new BusbarError(status === 401 || status === 403 ? "UNAUTHENTICATED" : "UNAVAILABLE", `Cannot connect to ${url.href}: it answers with status ${status}`);
  });
  try {
    await Promise.race([once(socket, "open"), refused]);
  } catch (error) {
    refused.catch(() => {}); // when it has lost the race
    if (error instanceof BusbarError) throw error;
    throw new BusbarError("UNAVAILABLE", `Cannot connect to ${url.href}`, { cause: error });
  }
  return socket;
}

/** What the end of a connection is reported as. */
export function closeError(code: number, reason: string): BusbarError {
  return new BusbarError(code === 4401 || code === 4403 ? "UNAUTHENTICATED" : "UNAVAILABLE", `Connection closed (${code}): ${oneLine(closeMeaning(code, reason))}`);
}
