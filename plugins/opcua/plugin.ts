import { AuditPort, definePlugin, type PluginContext } from "@busbar/core";
import { configSchema, type OpcuaConfig } from "./config.ts";

/** A client to an OPC UA server. */
export const opcua = definePlugin({
  name: "opcua",
  description: "Client to an OPC UA server: its values, alarms, methods and history, and what is written to it",
  config: configSchema,
  needs: { audit: AuditPort },
  async setup(ctx) {
    const { startClient } = await import("./client.ts"); // node-opcua takes most of a second to load, and a config is checked without it
    await startClient(ctx);
    ctx.announce({ what: "OPC UA client", url: ctx.config.url });
  },
});

/** What the plugin works with. */
export type OpcuaContext = PluginContext<OpcuaConfig, { audit: typeof AuditPort }>;
