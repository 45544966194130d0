import type { Deframer, Framing } from "../codec.ts";
import { BusbarError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { Counter } from "../metrics.ts";
import type { Session } from "../session/sessions.ts";
import { CloseCode, type Transport } from "../session/transport.ts";

/** A transport of a listener: it knows whether anything is taken from the peer any more. */
export interface ListenerTransport extends Transport {
  readonly closing: boolean;
}

/** What all connections of a listener share. */
export interface ConnectionOptions<T extends ListenerTransport = ListenerTransport> {
  readonly log: Log;
  readonly framing: Framing;
  /** Longest frame in bytes. */
  readonly limit: number;
  /** Frames and connections that were refused, by reason. */
  readonly refused: (reason: string) => Counter;
  /** The test of the first frame, where that is the listener token. */
  readonly token?: ((frame: Uint8Array) => boolean) | undefined;
  /** Opens the session of a connection that is let in. */
  readonly open: (transport: T) => Session;
}

/** One peer: cuts its bytes into frames and hands them to its session; before there is one, waits for the listener token. Times are those of the listener's `sweep`. */
export class Connection<T extends ListenerTransport = ListenerTransport> {
  readonly transport: T;
  readonly #socket: { readonly bytesWritten: number };
  readonly #options: ConnectionOptions<T>;
  readonly #deframer: Deframer;
  readonly #opened: number;
  #session: Session | undefined;
  /** When the frame that is not complete yet began; 0 = there is none. */
  #begun = 0;
  #lastSign: number;
  #bytes = 0;
  /** When the peer last said something, and how much it had said then. */
  #lastHeard: number;
  #heard = 0;
  #seen = 0;
  #now: number;

  /** `socket`: the one below, which counts what was written. `now`: ms since the epoch. */
  constructor(socket: { readonly bytesWritten: number }, transport: T, options: ConnectionOptions<T>, now: number) {
    this.transport = transport;
    this.#socket = socket;
    this.#options = options;
    this.#opened = this.#lastSign = this.#lastHeard = this.#now = now;
    this.#deframer = options.framing.createDeframer(options.limit);
    if (options.token === undefined) this.#session = options.open(transport);
  }

  /** Takes what has arrived. */
  receive(chunk: Uint8Array): void {
    if (this.transport.closing) return;
    this.#bytes += chunk.length;
    let complete = false;
    try {
      this.#deframer.push(chunk, (bytes, start, end) => {
        complete = true;
        if (this.#session !== undefined) this.#session.receive(bytes, start, end);
        else this.#admit(bytes.subarray(start, end));
      });
    } catch (error) {
      this.#fail(error);
    }
    if (complete || this.#begun === 0) this.#begun = this.#deframer.pending > 0 ? this.#now : 0;
  }

  /** Ends what takes too long. `now`: ms since the epoch, as at every call; limits in ms. */
  sweep(now: number, { frameTimeout, authTimeout, idleTimeout }: { readonly frameTimeout: number; readonly authTimeout: number; readonly idleTimeout: number }): void {
    this.#now = now;
    if (this.transport.closing) return;
    const traffic = this.#bytes + this.#socket.bytesWritten;
    const deaf = this.#session?.waits ?? false; // the journal or the authority is busy: nothing is heard from the peer meanwhile
    if (traffic !== this.#seen || deaf) {
      this.#seen = traffic;
      this.#lastSign = now;
    }
    if (deaf && this.#begun !== 0) this.#begun = now;
    if (this.#bytes !== this.#heard || deaf) {
      this.#heard = this.#bytes;
      this.#lastHeard = now;
    }
    const silence = this.#session?.silence ?? 0;
    if (this.#begun !== 0 && now - this.#begun > frameTimeout) this.#fail(new BusbarError("TIMEOUT", `Cannot wait for the rest of a frame any longer: ${this.#deframer.pending} bytes of it came in ${frameTimeout} ms`));
    else if (this.#session === undefined && now - this.#opened > authTimeout) this.#refuse(CloseCode.authTimeout, "authTimeout", "no listener token in time");
    else if (silence > 0 && now - this.#lastHeard > silence) this.close(CloseCode.heartbeat, "nothing was heard in the time that the peer has promised");
    else if (idleTimeout > 0 && now - this.#lastSign > idleTimeout) this.close(CloseCode.heartbeat, "idle");
  }

  /** Ends it from our side. */
  close(code: CloseCode, reason: string): void {
    if (this.#session !== undefined) this.#session.close(code, reason);
    this.transport.close(code, reason);
  }

  /** The socket is gone. */
  ended(): void {
    this.#session?.ended();
  }

  #admit(frame: Uint8Array): void {
    if (this.transport.closing) return;
    if (this.#options.token!(frame)) this.#session = this.#options.open(this.transport);
    else this.#refuse(CloseCode.authFailed, "authFailed", "the first frame is not the listener token");
  }

  #refuse(code: CloseCode, counted: string, reason: string): void {
    this.#options.refused(counted).value++;
    this.#options.log.warn(`connection ended: ${reason}`, { remote: this.transport.remote });
    this.transport.close(code, reason);
  }

  /** The session counts and logs it; before there is one that is done here. */
  #fail(error: unknown): void {
    if (this.#session !== undefined) return this.#session.fail(error);
    if (this.transport.closing) return;
    this.#options.refused("protocol error").value++;
    this.#options.log.warn("connection ended: what it sent is no frame", { remote: this.transport.remote, error });
    this.transport.close(CloseCode.protocolError, "protocol error");
  }
}
