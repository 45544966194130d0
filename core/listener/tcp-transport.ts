import type { Socket } from "node:net";
import { Outbox } from "../session/outbox.ts";
import type { CloseCode, Transport } from "../session/transport.ts";
import type { Framer } from "./framer.ts";

/** A peer that does not take what is left, or does not end its side, is cut off after this long. */
const closeTimeout = 3000;

/** What the transports of a listener share. */
export interface TcpTransportOptions {
  readonly framer: Framer;
  /** `Transport.kind`. */
  readonly kind: string;
  /** Calls back once, later. */
  readonly after: (ms: number, callback: () => void) => () => void;
}

/**
 * A session's connection over TCP or TLS. Frames are laid side by side, so what is sent within a turn of the event loop is
 * one piece and one write; a message that goes to many connections is framed once.
 */
export class TcpTransport implements Transport {
  readonly remote: string;
  readonly #socket: Socket;
  readonly #outbox: Outbox;
  readonly #shared: TcpTransportOptions;
  #closing = false;

  constructor(socket: Socket, remote: string, options: TcpTransportOptions) {
    this.remote = remote;
    this.#socket = socket;
    this.#outbox = new Outbox(socket);
    this.#shared = options;
  }

  /** Whether nothing is taken from the peer any more. */
  get closing(): boolean {
    return this.#closing;
  }

  get kind(): string {
    return this.#shared.kind;
  }

  send(bytes: Uint8Array): void {
    if (!this.#closing) this.#outbox.push(this.#shared.framer.frame(bytes));
  }

  buffered(): number {
    return this.#outbox.buffered;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** The codes mean nothing on TCP: the connection ends. */
  close(_code: CloseCode, _reason: string): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#outbox.flush();
    this.#socket.end();
    this.#socket.resume(); // or the peer's end would never be seen
    this.#socket.once("close", this.#shared.after(closeTimeout, () => this.#socket.destroy()));
  }
}
