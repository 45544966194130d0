import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { bareEnvelopeProto, BusbarError, CloseCode, envelopeJson, envelopeProto, iotData, userInform, type Codec, type Log, type Session, type Sessions } from "@busbar/core";
import type { WebSocketConfig } from "./config.ts";
import { credentialsOf } from "./credentials.ts";
import type { EarlyMessage } from "./early-messages.ts";
import type { SessionSocket } from "./session-socket.ts";
import { WebSocketTransport } from "./transport.ts";

/** What all connections of a listener share. */
export interface ConnectionOptions {
  readonly config: WebSocketConfig;
  readonly sessions: Sessions;
  readonly log: Log;
}

const binaryCodecs = { "iot-data": iotData, "user-inform": userInform } as const;

/** Codes with which a peer leaves on purpose; 1005 stands for a close frame without one (RFC 6455 §7.4.1). */
const goodbyes: ReadonlySet<number> = new Set([1000, 1001, 1005]);

/** How `ws` says that a message is over the limit, and that its length is over 2^53. */
const tooLarge: ReadonlySet<string> = new Set(["WS_ERR_UNSUPPORTED_MESSAGE_LENGTH", "WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH"]);

/** Deliveries that were asked for with `"binary": true` are bare `busbar.v1.Envelope`s; nothing else goes through it. */
const bareBinary: Codec = {
  decode: () => [],
  encode: () => undefined,
  encodeMessage: bareEnvelopeProto,
};

/** One peer that has a place: its session, its frames, its heartbeat. */
export class Connection {
  readonly #ws: SessionSocket;
  readonly #options: ConnectionOptions;
  readonly #session: Session;
  readonly #remote: string;
  /** Whether its frames are protobuf, in binary frames; else JSON in text frames. */
  readonly #proto: boolean;
  #deviceCodec: Codec | undefined;
  #alive = true;
  #lastSign: number;
  #lastPing: number;

  /** Takes the socket over. `now`: ms since the epoch, as at every call. */
  constructor(ws: SessionSocket, { request, socket }: { readonly request: IncomingMessage; readonly socket: Duplex }, options: ConnectionOptions, now: number) {
    const { config } = options;
    this.#ws = ws;
    this.#options = options;
    this.#remote = request.socket.remoteAddress ?? "unknown";
    this.#proto = ws.protocol === envelopeProto.name;
    this.#lastSign = this.#lastPing = now;
    const credentials = credentialsOf(request);
    this.#session = options.sessions.open(new WebSocketTransport(ws, socket, this.#remote), {
      codec: (this.#proto ? envelopeProto : envelopeJson).create(),
      binary: this.#proto,
      ...(this.#proto ? {} : { binaryCodec: bareBinary }),
      ...(credentials && { credentials }),
      will: config.will,
      limits: config, // not a copy for each of ten thousand
    });
    const sign = (): void => void (this.#alive = true);
    ws.on("message", (data: Buffer, binary: boolean) => this.#receive(data, binary));
    ws.on("ping", sign);
    ws.on("pong", sign);
    ws.on("error", (error: NodeJS.ErrnoException) => this.#broken(error));
    ws.once("close", (code: number) => this.#session.ended(goodbyes.has(code)));
  }

  /** Takes what it sent while it waited for its place. */
  replay(messages: readonly EarlyMessage[]): void {
    for (const { data, binary } of messages) this.#receive(data, binary);
  }

  /** Sends the ping that is due (RFC 6455 §5.5.2), or ends who gave no sign of life: a whole message, a ping or a pong. */
  beat(now: number): void {
    // Of a peer that is not read at the moment, because the journal or the authority is busy, nothing can be heard.
    if (this.#alive || this.#ws.isPaused) {
      this.#alive = false;
      this.#lastSign = now;
    }
    const { idleTimeout, ping } = this.#options.config;
    if (now - this.#lastSign >= idleTimeout) this.close(CloseCode.heartbeat, "no sign of life");
    else if (now - this.#lastPing >= ping) {
      this.#lastPing = now;
      if (this.#ws.readyState === this.#ws.OPEN) this.#ws.ping();
    }
  }

  /** Ends it from our side. */
  close(code: CloseCode, reason: string): void {
    this.#session.close(code, reason);
  }

  #receive(data: Buffer, binary: boolean): void {
    this.#alive = true; // the time is taken at the next beat: reading the clock costs as much as routing a message
    if (binary === this.#proto) this.#session.receive(data, 0, data.length);
    else if (binary) this.#session.receive(data, 0, data.length, (this.#deviceCodec ??= binaryCodecs[this.#options.config.binary].create()));
    else this.#session.fail(new SyntaxError(`Cannot decode the frame: text on a ${envelopeProto.name} session`));
  }

  /** `ws` has sent its close code already: 1009 for what is too large, 1002 for what is no frame (RFC 6455 §7.4.1). */
  #broken(error: NodeJS.ErrnoException): void {
    const { code = "" } = error;
    if (tooLarge.has(code)) this.#session.fail(new BusbarError("TOO_LARGE", `Cannot take a frame of more than ${this.#options.config.frameLimit} bytes`));
    else if (code.startsWith("WS_ERR_")) this.#session.fail(error);
    else this.#options.log.debug("connection broken", { remote: this.#remote, error });
  }
}
