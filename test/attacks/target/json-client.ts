import { Client } from "../../../plugins/websocket/testing/client.ts";
import type { AttackTarget } from "./attack-target.ts";

/** A JSON session on the `ws` package, for what PeerDriver cannot send: binary frames, headers, pings. With `token` it is logged in. */
export async function openJsonClient(target: AttackTarget, { token, deviceId, headers = {}, compress = false }: { readonly token?: string; readonly deviceId?: string; readonly headers?: Readonly<Record<string, string>>; readonly compress?: boolean } = {}): Promise<Client> {
  const client = new Client(`ws://127.0.0.1:${target.port("http")}/ws`, ["busbar.v1.json"], { headers, perMessageDeflate: compress && { threshold: 0 } });
  target.own(() => client.ws.terminate());
  await client.opened();
  if (token === undefined) return client;
  client.send({ type: "auth", deviceId, token });
  await client.next("auth_response");
  return client;
}
