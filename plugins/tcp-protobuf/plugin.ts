import { AuditPort, definePlugin, listenerPlaces, openTcpListener, SessionsPort, varintFraming } from "@busbar/core";
import { configSchema } from "./config.ts";
import { createFrameCodec } from "./frame-codec.ts";

/** A TCP or TLS listener for size-delimited protobuf (WIRE §3). */
export const tcpProtobuf = definePlugin({
  name: "tcp-protobuf",
  description: "TCP listener for devices that speak size-delimited protobuf",
  config: configSchema,
  listens: (config) => listenerPlaces(config, "TCP protobuf"),
  needs: { audit: AuditPort, sessions: SessionsPort },
  async setup(ctx) {
    const { codec, commands } = await createFrameCodec(ctx.config, (path) => ctx.path(path));
    await openTcpListener(ctx, { framing: varintFraming, codec, commands, answers: codec.session, what: `TCP protobuf (${ctx.config.codec})` });
  },
});
