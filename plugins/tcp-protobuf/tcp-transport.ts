import type { Socket } from "node:net";
import { Outbox, Slab, writeVarint, type CloseCode, type Transport } from "@busbar/core";

/** A peer that does not take what is left, or does not end its side, is cut off after this long. */
const closeTimeout = 3000;
/** Frames longer than this are not copied behind their length but sent as two pieces. */
const longFrame = 16 * 1024;

const slab = new Slab();
let lastPayload: Uint8Array | undefined;
let lastFrame: Uint8Array = new Uint8Array(0);

/**
 * A session's connection over TCP or TLS. Frames are laid side by side with their lengths, so what is sent within a turn of the event loop is
 * one piece and one write; a message that goes to many connections is framed once.
 */
export class TcpTransport implements Transport {
  readonly kind = "tcp";
  readonly remote: string;
  readonly #socket: Socket;
  readonly #outbox: Outbox;
  readonly #after: (ms: number, callback: () => void) => () => void;
  #closing = false;

  /** `after` calls back once, later. */
  constructor(socket: Socket, remote: string, after: (ms: number, callback: () => void) => () => void) {
    this.remote = remote;
    this.#socket = socket;
    this.#outbox = new Outbox(socket);
    this.#after = after;
  }

  /** Whether nothing is taken from the peer any more. */
  get closing(): boolean {
    return this.#closing;
  }

  send(bytes: Uint8Array): void {
    if (this.#closing) return;
    if (bytes.length <= longFrame) return this.#outbox.push(frameOf(bytes));
    this.#outbox.push(lengthOf(bytes));
    this.#outbox.push(bytes);
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
    this.#socket.once("close", this.#after(closeTimeout, () => this.#socket.destroy()));
  }
}

/** The frame with its length in front; the same piece again for the very same bytes. */
function frameOf(payload: Uint8Array): Uint8Array {
  if (payload === lastPayload) return lastFrame;
  const { length } = payload;
  const buffer = slab.reserve(length + 5); // may begin a new slab: `at` is read after it
  const at = writeVarint(buffer, slab.at, length);
  buffer.set(payload, at);
  lastPayload = payload;
  return (lastFrame = slab.take(at + length));
}

function lengthOf(payload: Uint8Array): Uint8Array {
  const buffer = slab.reserve(5);
  return slab.take(writeVarint(buffer, slab.at, payload.length));
}
