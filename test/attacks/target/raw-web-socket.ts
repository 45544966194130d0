import { RawClient } from "../../../plugins/websocket/testing/raw-client.ts";
import type { AttackTarget } from "./attack-target.ts";

/** A WebSocket connection without any library, after its handshake; with `token` it is logged in by a header. */
export async function openRawWebSocket(target: AttackTarget, { token, headers = [] }: { readonly token?: string; readonly headers?: readonly string[] } = {}): Promise<RawClient> {
  const client = new RawClient(target.port("http"));
  target.own(() => client.socket.destroy());
  client.upgrade("/ws", { headers: [...(token === undefined ? [] : [`Authorization: Bearer ${token}`]), ...headers] });
  const head = await client.upgraded;
  if (!head.startsWith("HTTP/1.1 101 ")) throw new Error(`Cannot open a WebSocket: ${head.slice(0, 100)}`);
  return client;
}
