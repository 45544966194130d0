import type { Duplex } from "node:stream";
import { Outbox, type CloseCode, type Transport } from "@busbar/core";
import type { WebSocket } from "ws";
import { frameOf } from "./frame-cache.ts";

/** A peer that does not answer the close frame is cut off after this long (RFC 6455 §7.1.1). */
const closeTimeout = 3000;

/** How a transport is made. */
export interface WebSocketTransportOptions {
  readonly socket: Duplex;
  readonly remote: string;
  /** Whether permessage-deflate was agreed on: frames then have to go through `ws`. */
  readonly compressed: boolean;
  /** Calls back once, later; for the time a peer has to answer a close frame. */
  readonly after: (ms: number, callback: () => void) => () => void;
}

/**
 * A session's connection over WebSocket. `ws` reads, answers pings and closes; data frames are made here, once per message however many sockets they go to,
 * and written past `ws` straight to the socket, all of one turn together.
 */
export class WebSocketTransport implements Transport {
  readonly kind = "websocket";
  readonly remote: string;
  readonly #ws: WebSocket;
  readonly #outbox: Outbox;
  readonly #options: WebSocketTransportOptions;

  constructor(ws: WebSocket, options: WebSocketTransportOptions) {
    this.#ws = ws;
    this.#options = options;
    this.remote = options.remote;
    this.#outbox = new Outbox(options.socket);
  }

  send(bytes: Uint8Array, binary: boolean): void {
    if (this.#ws.readyState !== this.#ws.OPEN) return;
    if (this.#options.compressed) this.#ws.send(bytes, { binary, compress: true });
    else this.#outbox.push(frameOf(bytes, binary ? "binary" : "text"));
  }

  buffered(): number {
    return this.#options.compressed ? this.#ws.bufferedAmount : this.#outbox.buffered;
  }

  pause(): void {
    this.#ws.pause();
  }

  resume(): void {
    this.#ws.resume();
  }

  close(code: CloseCode, reason: string): void {
    this.#outbox.flush();
    if (this.#ws.readyState >= this.#ws.CLOSING) return;
    this.#ws.resume(); // or its close frame would never be read
    this.#ws.close(code, reason);
    const cancel = this.#options.after(closeTimeout, () => this.#ws.terminate());
    this.#ws.once("close", cancel);
  }
}
