import type { Duplex } from "node:stream";
import { Outbox, type CloseCode, type Transport } from "@busbar/core";
import { frameOf } from "./frame-cache.ts";
import type { SessionSocket } from "./session-socket.ts";

/**
 * A session's connection over WebSocket. `ws` reads, answers pings and closes; data frames are made here, once per message however many sockets they go to,
 * and written past `ws` straight to the socket, all of one turn together. With permessage-deflate (RFC 7692) agreed on they go through `ws`, which compresses them.
 */
export class WebSocketTransport implements Transport {
  readonly kind = "websocket";
  readonly remote: string;
  readonly #ws: SessionSocket;
  readonly #outbox: Outbox;
  readonly #compressed: boolean;

  /** `socket` is the one that `ws` was made of. */
  constructor(ws: SessionSocket, socket: Duplex, remote: string) {
    this.#ws = ws;
    this.remote = remote;
    this.#outbox = new Outbox(socket);
    this.#compressed = ws.extensions !== "";
    ws.beforeClose = () => this.#outbox.flush();
  }

  send(bytes: Uint8Array, binary: boolean): void {
    if (this.#ws.readyState !== this.#ws.OPEN) return;
    if (this.#compressed) this.#ws.send(bytes, { binary, compress: true });
    else this.#outbox.push(frameOf(bytes, binary ? "binary" : "text"));
  }

  buffered(): number {
    return this.#compressed ? this.#ws.bufferedAmount : this.#outbox.buffered;
  }

  pause(): void {
    this.#ws.pause();
  }

  resume(): void {
    this.#ws.resume();
  }

  /** Begins to close; `ws` cuts off a peer that does not answer the close frame in time (`closeTimeout`). */
  close(code: CloseCode, reason: string): void {
    if (this.#ws.readyState !== this.#ws.OPEN) return;
    this.#ws.resume(); // or the peer's close frame would never be read
    this.#ws.close(code, reason);
  }
}
