/**
 * The Busbar kernel: a message envelope, a bus that carries it, a journal behind the bus, sessions for remote peers, and plugins that are
 * composed from a config file. A plugin is written with `definePlugin`, a device protocol with `defineAdapter`; `createKernel` runs a
 * checked config. Everything a plugin may use is exported here; `@busbar/core/testkit` has what its tests need.
 *
 * @module
 */
export * from "./adapter.ts";
export * from "./audit.ts";
export * from "./authority.ts";
export type { Decision, Rule } from "./decision.ts";
export * from "./bus.ts";
export * from "./clock.ts";
export * from "./codec.ts";
export * from "./codec/compile.ts";
export * from "./codec/custom.ts";
export type { PayloadMapping, TimeUnit } from "./codec/custom-mapping.ts";
export * from "./codec/iot-data.ts";
export * from "./codec/user-inform.ts";
export * from "./commands.ts";
export * from "./config/checked.ts";
export * from "./config/define.ts";
export * from "./config/diff.ts";
export * from "./config/discover.ts";
export * from "./config/host.ts";
export * from "./config/installed-schema.ts";
export * from "./config/json-schema.ts";
export * from "./config/load.ts";
export * from "./config/nearest.ts";
export * from "./config/permissions/deno-flags.ts";
export * from "./config/permissions/gateway-permissions.ts";
export * from "./config/permissions/manifest.ts";
export * from "./config/permissions/permissions.ts";
export type { PluginPackage } from "./config/permissions/plugin-manifest.ts";
export * from "./config/problem.ts";
export * from "./config/settings.ts";
export * from "./config/system-host.ts";
export * from "./cursors.ts";
export * from "./dead-letters.ts";
export * from "./envelope.ts";
export * from "./errors.ts";
export * from "./fixed-rights.ts";
export * from "./frame.ts";
export * from "./framing/length.ts";
export * from "./framing/line.ts";
export * from "./framing/varint.ts";
export * from "./gateway.ts";
export * from "./host.ts";
export * from "./journal.ts";
export * from "./ledger.ts";
export * from "./log.ts";
export * from "./memory-journal.ts";
export * from "./metrics.ts";
export * from "./plugin.ts";
export * from "./ports.ts";
export * from "./route.ts";
export * from "./schema.ts";
export * from "./session/sessions.ts";
export * from "./session/signed/canonical-envelope.ts";
export * from "./session/signed/canonical-json.ts";
export * from "./session/signed/settings.ts";
export * from "./session/signed/signed-sender.ts";
export * from "./session/transport.ts";
export * from "./topic.ts";
export * from "./topic-index.ts";
export { envelopeJson, maxPayloadDepth } from "./codec/envelope-json.ts";
export { isJson } from "./codec/json-check.ts";
export { bareEnvelopeProto, envelopeProto } from "./codec/envelope-proto.ts";
export * from "./kernel/kernel.ts";
export { flowOf } from "./kernel/flow.ts";
export * from "./retry.ts";
export * from "./codec/slab.ts";
export * from "./session/outbox.ts";
export { createNetworkTest, isLoopback, isNetwork, plainAddress, remoteAddress } from "./listener/address.ts";
export * from "./listener/certificate.ts";
export * from "./listener/config-file.ts";
export * from "./listener/listener-config.ts";
export * from "./listener/tcp-listener.ts";
export * from "./writes.ts";
