/**
 * WebSocket sessions on the shared HTTP server: `GET /ws` in JSON (`busbar.v1.json`) or protobuf (`busbar.v1.proto`), with heartbeats, a connection limit with
 * a waiting line, and one encoding and one system call for what many subscribers get at once.
 *
 * @module
 */
export { websocket, websocket as default } from "./plugin.ts";
