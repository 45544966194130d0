import type { ClientOptions } from "../client-options.ts";
import { createClient, type Client } from "../client.ts";
import { tcp } from "../tcp.ts";
import type { GatewayUnderTest } from "./gateway.ts";

/** Each transport, by name. */
export const transports = ["ws", "tcp"] as const;

/** A client of the gateway that comes back quickly, and is closed at the end of the test. */
export function openClient(gateway: Pick<GatewayUnderTest, "urls">, options: Partial<ClientOptions> & { readonly id: string; readonly over?: (typeof transports)[number] }): Client & AsyncDisposable {
  const { over = "ws", ...rest } = options;
  const client = createClient({ url: gateway.urls[over], token: rest.id, reconnect: { min: 5, max: 50 }, ...(over === "tcp" ? { transport: tcp() } : {}), ...rest });
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.close() });
}
