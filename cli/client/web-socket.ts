import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { BusbarError } from "@busbar/core";
import type { Access } from "./access.ts";
import { WebSocket } from "ws";
import { oneLine } from "../terminal.ts";

/** What a close code of WIRE §2 means to who was closed. */
const closed: Readonly<Record<number, string>> = {
  1001: "the gateway shuts down",
  1009: "a frame was too large",
  1013: "the gateway is full",
  4001: "the connection was silent for too long",
  4008: "messages were read too slowly",
  4009: "another connection took its place",
  4029: "too many messages in too short a time",
  4400: "the gateway did not understand a frame",
  4401: "no token in time",
  4403: "the token was refused or has ended",
};

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
  const text = closed[code] ?? (reason === "" ? "the connection broke" : oneLine(reason));
  return new BusbarError(code === 4401 || code === 4403 ? "UNAUTHENTICATED" : "UNAVAILABLE", `Connection closed (${code}): ${text}`);
}
