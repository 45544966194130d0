import type { Credentials, Principal } from "../authority.ts";
import type { Overflow } from "../bus.ts";
import type { Codec } from "../codec.ts";
import type { Qos } from "../envelope.ts";
import type { Door } from "../listener/door.ts";
import type { SignedMode } from "./signed/settings.ts";
import type { Transport, CloseCode } from "./transport.ts";

/** `SessionLimits.buffer` where nobody says. Bytes. */
export const defaultBuffer = 4 * 1024 * 1024;

/** Limits of one session; each has a default. */
export interface SessionLimits {
  /** Milliseconds in which the auth frame must come. Default 5,000. */
  readonly authTimeout?: number;
  /** Messages per second, averaged over a second; more end the session with 4029. Default 0 = no limit. */
  readonly rate?: number;
  /** Bytes of frames per second, averaged over a second; who sends more is read more slowly. Default 0 = no limit. */
  readonly byteRate?: number;
  /** Bytes of a message's payload; a longer one is refused (TOO_LARGE). Default: whatever fits into a frame. */
  readonly payload?: number;
  /** Levels of arrays and objects in a payload; a deeper one is refused. Default 64, which is the most. */
  readonly nesting?: number;
  /** Levels of a subscription's topic filter. Default 32, which is the most. */
  readonly patternDepth?: number;
  /** Devices that may speak through one trusted connection. Default 1,000. */
  readonly identities?: number;
  /** Deliveries of qos ≥ 1 of one subscription that may be unacknowledged at once. Default 100. */
  readonly inFlight?: number;
  /** Milliseconds after which an unacknowledged delivery is sent again; each further pause is twice as long, up to a minute. Default 10,000. */
  readonly redeliver?: number;
  /** Subscriptions at once. Default 100. */
  readonly subscriptions?: number;
  /** Bytes queued towards the peer before the slow-consumer policy acts; what its subscriptions' queues hold together counts apart and may be as much again, and so do deliveries that are not acknowledged. Default 4 MiB. */
  readonly buffer?: number;
  /**
   * What happens to qos 0 deliveries that a peer does not read fast enough, where its subscription does not say: "disconnect" (4008) and "drop-newest" act beyond `buffer`;
   * "drop-oldest" and "latest" when a queue of the subscription's own is full. Default "disconnect".
   */
  readonly slowConsumer?: Overflow;
  /** Messages that such a queue holds where the subscription does not say. Default 1,000. */
  readonly queue?: number;
  /** What becomes of signed and of unsigned messages (WIRE §6). Default "off". */
  readonly signed?: SignedMode;
}

/** A last will as a listener's config has it. */
export interface WillTemplate {
  readonly type: string;
  readonly payload: unknown;
  readonly qos: Qos;
  readonly retain: boolean;
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
  /** Whether the peer begins with an auth frame all the same, as an MQTT client does: `credentials` count when that brings no token. Default false. */
  readonly greets?: boolean | undefined;
  /** Known beforehand. */
  readonly principal?: Principal;
  /**
   * The listener vouches for its peers (a source network, a listener token): the peer is whichever devices its messages name, each with these
   * roles and groups. For codecs without an auth frame.
   */
  readonly trusted?: { readonly roles: readonly string[]; readonly groups?: readonly string[] };
  /**
   * Whether the device is told about commands. With "on-input", as for protocols in which the device must speak first (`user-inform`),
   * they are sent when something has arrived from it; with "on-subscribe" once it has subscribed to its own commands with qos 1 or 2, on the terms of that subscription. Default "push".
   */
  readonly commands?: "push" | "on-input" | "on-subscribe" | "none";
  /** Whether the protocol can answer a command. Where it cannot, a command that was sent is not sent again. Default true. */
  readonly answers?: boolean;
  readonly limits?: SessionLimits;
  /** The last will of every device that speaks through the session and names none of its own, in its name. */
  readonly will?: WillTemplate | undefined;
  /** Called once when the session has ended, from whichever side. */
  readonly onClose?: () => void;
}

/** One remote peer, whatever its transport: who it is, what it may do, its acks, its subscriptions, its limits. */
export interface Session {
  /** Unique while the gateway runs. */
  readonly id: string;
  /** Undefined until the peer is authenticated. */
  readonly principal: Principal | undefined;
  /** Whether the peer has to wait for the journal or the authority: its silence says nothing about it. */
  readonly waits: boolean;
  /** Milliseconds in which the peer has promised to say something; 0 = nothing is promised. */
  readonly silence: number;
  /** Takes one whole frame from the peer and never throws: whatever is wrong is answered, counted, or ends the session, as WIRE says. */
  receive(bytes: Uint8Array, start: number, end: number, codec?: Codec): void;
  /** Tells the peer or the log that the transport saw something broken: a frame too large, bytes that are no frame. Ends the session. */
  fail(error: unknown): void;
  /** Ends it from our side. */
  close(code: CloseCode, reason: string): void;
  /** The transport is gone: ends the session without another word to the peer. `goodbye`: the peer said on this transport that it leaves (RFC 6455 §7.1.2), so its last will is void. Default false. */
  ended(goodbye?: boolean): void;
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
  /** Whether a border lies between them and the plugin, over which neither `DeliveryTerms` nor last words go. Default false. */
  readonly isolated?: boolean;
  /** What each listener's server is guarded by. */
  readonly door: Pick<Door, "guard">;
}
