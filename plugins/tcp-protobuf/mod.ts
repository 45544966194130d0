/**
 * A listener for devices that speak protobuf over TCP or TLS (WIRE §3): each frame is a varint length and that many bytes. What a frame is, the listener's `codec`
 * says: `envelope`, the same session as on WebSocket; `iot-data` and `user-inform`, two fixed device formats; or `custom`, any message of a
 * compiled descriptor set with a mapping of its fields. Formats without an auth frame name in the config how a client is known.
 *
 * @module
 */
export { configSchema, type TcpConfig } from "./config.ts";
export { tcpProtobuf, tcpProtobuf as default } from "./plugin.ts";
