import { AuditPort, BusbarError, definePlugin, HttpPort, listenerPlaces, openTcpListener, optional, SessionsPort } from "@busbar/core";
import { listenerConfig } from "./config.ts";
import { createMqttCodec } from "./mqtt-codec.ts";
import { packetFraming } from "./packet-framing.ts";
import { openWebSocketListener } from "./web-socket-listener.ts";

/** What MQTT connections are called in roles, in the log and in metrics. */
export const transportKind = "mqtt";

/** A listener for MQTT 3.1.1 clients over TCP or TLS and, where there is an http plugin, over WebSocket (WIRE §5). */
export const mqttListener = definePlugin({
  name: "mqtt-listener",
  description: "Listener for MQTT 3.1.1 clients over TCP, TLS and WebSocket",
  config: listenerConfig,
  listens: (config) => listenerPlaces(config, "MQTT"),
  needs: { audit: AuditPort, sessions: SessionsPort, http: optional(HttpPort) },
  async setup(ctx) {
    const { http, sessions } = ctx.needs;
    if (sessions.isolated) throw new BusbarError("CONFIG", "Cannot listen for MQTT with isolate: true: what a subscription was granted does not cross its border");
    const codec = createMqttCodec();
    await openTcpListener(ctx, { framing: packetFraming, codec, commands: "on-subscribe", answers: true, kind: transportKind, greets: true, what: "MQTT" });
    if (http) openWebSocketListener(ctx, { http, codec, kind: transportKind });
  },
});
