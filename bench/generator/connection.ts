import { connect } from "node:net";
import type { Socket } from "node:net";
import type { Peer } from "../wires/wire.ts";

/** Where to connect to. */
export interface ConnectOptions {
  readonly port: number;
  /** Index of the connection; spreads many of them over source addresses 127.0.0.1–127.0.0.16, each of which has its own ports. */
  readonly index: number;
  /** Called when the connection ends or fails. */
  onEnd(reason: string): void;
}

/** Every socket reads into this buffer: what is in it is used up before the next read. */
const shared = new Uint8Array(256 * 1024);

/** A client connection of the load generator: says the peer's hello, then feeds the peer what arrives. */
export class Connection {
  readonly #socket: Socket;
  readonly #flushed: () => void;
  #flushing = false;

  constructor(peer: Peer, options: ConnectOptions) {
    this.#flushed = () => {
      this.#flushing = false;
    };
    this.#socket = connect({
      host: "127.0.0.1",
      port: options.port,
      localAddress: `127.0.0.${1 + (options.index % 16)}`,
      noDelay: true,
      onread: {
        buffer: shared,
        callback: (length, bytes) => {
          peer.receive(bytes, length);
          return true;
        },
      },
    });
    this.#socket.on("connect", () => this.send(peer.hello));
    this.#socket.on("error", (error) => options.onEnd(error.message));
    this.#socket.on("close", () => options.onEnd("connection closed"));
  }

  /** Whether the bytes of the last `sendBatch` still belong to the socket. */
  get busy(): boolean {
    return this.#flushing;
  }

  /** Sends bytes that nobody changes later. */
  send(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** Sends bytes that the caller changes once `busy` is false again. */
  sendBatch(bytes: Uint8Array): void {
    this.#flushing = true;
    this.#socket.write(bytes, this.#flushed);
  }

  /** Drops the connection at once; `onEnd` is not called any more. */
  close(): void {
    this.#socket.removeAllListeners("close").destroy();
  }
}
