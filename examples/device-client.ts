import { createClient, type Client, type Transport } from "@busbar/client";
import type { AuthorityPort, HttpPort, PluginContext } from "@busbar/core";

/** What a simulated device needs of the plugin that simulates it. */
type Context = PluginContext<unknown, { auth: typeof AuthorityPort; http: typeof HttpPort }>;

/** Connects a simulated device to the gateway it runs in, over WebSocket like any other, with a token for its id. It ends with the plugin. */
export function connectDevice({ needs, log, defer }: Pick<Context, "needs" | "log" | "defer">, id: string, transport?: Transport): Client {
  const client = createClient({
    url: `${needs.http.url.replace(/^http/, "ws")}/ws`,
    id,
    token: () => needs.auth.issue({ id, roles: ["device"], ttl: 3600 }),
    reconnect: { min: 100, max: 1000 },
    ...(transport === undefined ? {} : { transport }),
  });
  client.on("problem", (error) => log.warn("a device has a problem", { device: id, error }));
  defer(() => client.close());
  return client;
}
