import { definePlugin, SessionsPort } from "@busbar/core";
import { configSchema } from "./config.ts";
import { openListener } from "./listener.ts";

/** A TCP or TLS listener for size-delimited protobuf (WIRE §3). */
export const tcpProtobuf = definePlugin({
  name: "tcp-protobuf",
  description: "TCP listener for devices that speak size-delimited protobuf",
  config: configSchema,
  needs: { sessions: SessionsPort },
  setup: (ctx) => openListener(ctx),
});
