import type { Duplex } from "node:stream";
import type { CloseCode, ListenerTransport } from "@busbar/core";
import type { WebSocket } from "ws";

/** A peer that does not answer the close frame is cut off after so many ms (RFC 6455 §7.1.1). */
const closeTimeout = 3000;

/** Where the connection comes from. */
export interface WebSocketTransportOptions {
  /** The socket that `ws` was made of. */
  readonly socket: Duplex;
  readonly remote: string;
  /** `Transport.kind`. */
  readonly kind: string;
  /** Calls back once, later. */
  readonly after: (ms: number, callback: () => void) => () => void;
}

/** A session's connection over MQTT over WebSocket. What is sent within a turn of the event loop goes out as one binary frame. */
export class WebSocketTransport implements ListenerTransport {
  readonly kind: string;
  readonly remote: string;
  readonly #ws: WebSocket;
  readonly #socket: Duplex;
  readonly #after: WebSocketTransportOptions["after"];
  #queue: Uint8Array[] = [];
  #queued = 0;
  #closing = false;

  constructor(ws: WebSocket, { socket, remote, kind, after }: WebSocketTransportOptions) {
    this.kind = kind;
    this.remote = remote;
    this.#ws = ws;
    this.#socket = socket;
    this.#after = after;
  }

  get closing(): boolean {
    return this.#closing;
  }

  send(bytes: Uint8Array): void {
    if (this.#closing) return;
    if (this.#queue.length === 0) setImmediate(this.#flush);
    this.#queue.push(bytes);
    this.#queued += bytes.length;
  }

  buffered(): number {
    return this.#queued + this.#socket.writableLength;
  }

  pause(): void {
    this.#ws.pause();
  }

  resume(): void {
    this.#ws.resume();
  }

  close(code: CloseCode, reason: string): void {
    if (this.#closing) return;
    this.#flush();
    this.#closing = true;
    this.#ws.resume(); // or the peer's close frame would never be read
    this.#ws.close(code, reason);
    this.#ws.once("close", this.#after(closeTimeout, () => this.#ws.terminate()));
  }

  readonly #flush = (): void => {
    const queue = this.#queue;
    if (queue.length === 0) return;
    this.#queue = [];
    this.#queued = 0;
    if (this.#ws.readyState === this.#ws.OPEN) this.#ws.send(queue.length === 1 ? queue[0]! : Buffer.concat(queue), { binary: true });
  };
}
