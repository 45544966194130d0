import type { Credentials, Principal } from "../authority.ts";
import type { Codec } from "../codec.ts";
import type { Transport, CloseCode } from "./transport.ts";

/** Limits of one session; each has a default. */
export interface SessionLimits {
  /** Milliseconds in which the auth frame must come. Default 5,000. */
  readonly authTimeout?: number;
  /** Messages per second, averaged over a second; more end the session with 4029. Default 0 = no limit. */
  readonly rate?: number;
  /** Devices that may speak through one trusted connection. Default 1,000. */
  readonly identities?: number;
  /** Deliveries of qos ≥ 1 that may be unacknowledged at once. Default 100. */
  readonly inFlight?: number;
  /** Milliseconds after which an unacknowledged delivery is sent again. Default 10,000. */
  readonly redeliver?: number;
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
  /** Known beforehand. */
  readonly principal?: Principal;
  /**
   * The listener vouches for its peers (a source network, a listener token): the peer is whichever devices its messages name, each with these
   * roles and groups. For codecs without an auth frame.
   */
  readonly trusted?: { readonly roles: readonly string[]; readonly groups?: readonly string[] };
  /**
   * Whether the device is told about commands. With "on-input", as for protocols in which the device must speak first (`user-inform`),
   * they are sent when something has arrived from it. Default "push".
   */
  readonly commands?: "push" | "on-input" | "none";
  /** Whether the protocol can answer a command. Where it cannot, a command that was sent is not sent again. Default true. */
  readonly answers?: boolean;
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
