/**
 * The device and app SDK, the same source for browsers, Node and Deno: `createClient` connects to a gateway, publishes with an acknowledgement per message, subscribes and
 * resumes, carries out commands once, and comes back by itself. What is not acknowledged waits in a buffer, which outlives the process where it has a store: `fileStore` of
 * `@busbar/client/file-store`, `indexedDbStore` of `@busbar/client/indexed-db-store`. It speaks JSON over WebSocket; `@busbar/client/tcp` speaks protobuf over TCP.
 *
 * @module
 */
export * from "./changes.ts";
export * from "./client.ts";
export * from "./client-error.ts";
export type { ClientOptions } from "./client-options.ts";
export * from "./close-meaning.ts";
export type { ClientClock } from "./clock.ts";
export type { CommandHandler } from "./command-desk.ts";
export * from "./connection.ts";
export type { Draft, Envelope, Outgoing, Qos, Receipt } from "./envelope.ts";
export type { ClientState } from "./line.ts";
export * from "./memory-store.ts";
export type { BufferOptions } from "./outbox-options.ts";
export type { Answer, CommandDraft, RequestOptions } from "./requests.ts";
export { isSealed, type OpenOptions, type SealingKey, type SealOptions } from "./sealed.ts";
export type { SignOptions } from "./sign-transport.ts";
export * from "./store.ts";
export type { Gap, MessageHandler, SubscribeOptions, Subscription } from "./subscription.ts";
export { webSocketBy } from "./web-socket.ts";
