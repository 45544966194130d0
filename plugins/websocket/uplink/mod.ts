/**
 * The uplink of a gateway to another one, over WebSocket: `use: websocket/uplink`.
 *
 * @module
 */
export { uplinkConfig, type UplinkConfig } from "./config.ts";
export { uplink, uplink as default } from "./plugin.ts";
