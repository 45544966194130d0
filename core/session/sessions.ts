import type { Credentials, Principal } from "../authority.ts";
import type { Codec } from "../codec.ts";
import type { Transport, CloseCode } from "./transport.ts";

/** Limits of one session; each has a default. */
export interface SessionLimits {
  /** Milliseconds in which the auth frame must come. Default 5,000. */
  readonly authTimeout?: number;
  /** Messages per second, averaged over a second; more end the session with 4029. Default 0 = no limit. */
  readonly rate?: number;
  /** Subscriptions at once. Default 100. */
  readonly subscriptions?: number;
  /** Bytes queued towards the peer before the slow-consumer policy acts. Default 4 MiB. */
  readonly buffer?: number;
  /** What happens to qos 0 deliveries beyond `buffer`: dropped and counted, or the session ends with 4008. Default "disconnect". */
  readonly slowConsumer?: "disconnect" | "drop-newest";
}

/** How a session begins. */
export interface SessionOptions {
  readonly codec: Codec;
  /** For deliveries that were asked for with `binary: true`. Default: `codec`. */
  readonly binaryCodec?: Codec;
  /** Whether frames of `codec` are binary frames, where the transport makes a difference. Default false. */
  readonly binary?: boolean;
  /** Shown before the session began: a bearer token of the upgrade request, a client certificate. The session then needs no auth frame. */
  readonly credentials?: Credentials;
  /** Known beforehand: a listener that trusts its source network or its listener token. */
  readonly principal?: Principal;
  /**
   * Whether the device is told about commands. With "on-input", as for protocols in which the device must speak first (`user-inform`),
   * they are sent when something has arrived from it. Default "push".
   */
  readonly commands?: "push" | "on-input" | "none";
  readonly limits?: SessionLimits;
  /** Called once when the session has ended, from whichever side. */
  readonly onClose?: () => void;
}

/** One remote peer, whatever its transport: who it is, what it may do, its acks, its subscriptions, its limits. */
export interface Session {
  /** Unique while the gateway runs. */
  readonly id: string;
  /** Undefined until the peer is authenticated. */
  readonly principal: Principal | undefined;
  /** Takes one whole frame from the peer and never throws: whatever is wrong is answered, counted, or ends the session, as WIRE says. */
  receive(bytes: Uint8Array, start: number, end: number, codec?: Codec): void;
  /** Tells the peer or the log that the transport saw something broken: a frame too large, bytes that are no frame. Ends the session. */
  fail(error: unknown): void;
  /** Ends it from our side. */
  close(code: CloseCode, reason: string): void;
  /** The transport is gone: ends the session without another word to the peer. */
  ended(): void;
}

/** How one session stands. */
export interface SessionStatus {
  readonly id: string;
  readonly principal: string;
  readonly remote: string;
  readonly transport: string;
  /** Milliseconds since the Unix epoch. */
  readonly since: number;
  /** Milliseconds since the Unix epoch: the last frame that arrived. */
  readonly lastSeen: number;
}

/** All sessions of this gateway. A listener opens one per connection. */
export interface Sessions {
  open(transport: Transport, options: SessionOptions): Session;
  /** Authenticated sessions now, one per principal id. */
  list(): readonly SessionStatus[];
  /** The session of that principal id. */
  get(id: string): SessionStatus | undefined;
  readonly size: number;
}
