import type { Overflow } from "./bus.ts";
import type { Message, Qos } from "./envelope.ts";
import type { ErrorCode } from "./errors.ts";

/**
 * What a session says and hears, whatever the encoding (WIRE §2). An envelope travels as the Message itself: `kind` "message".
 * Client to server: auth, message, batch, subscribe, unsubscribe, ack, ping, pong, disconnect. Server to client: auth_response, message,
 * subscribed, unsubscribed, ack, error, ping, pong. A codec itself says `reply`: bytes that its protocol answers with, in turn with everything else.
 */
export type Frame =
  | Message
  | AuthFrame
  | { readonly kind: "auth_response"; readonly status: "success"; readonly timestamp: number; readonly id?: string | undefined }
  | { readonly kind: "batch"; readonly messages: readonly Message[] }
  | SubscribeFrame
  | { readonly kind: "subscribed"; readonly topic: string; readonly ref?: string | undefined; readonly offset?: number | undefined; readonly epoch?: string | undefined }
  | { readonly kind: "unsubscribe"; readonly topic: string; readonly ref?: string | undefined }
  | { readonly kind: "unsubscribed"; readonly topic: string; readonly ref?: string | undefined }
  | AckFrame
  | ErrorFrame
  | { readonly kind: "ping" }
  | { readonly kind: "pong" }
  | { readonly kind: "disconnect" }
  | { readonly kind: "reply"; readonly bytes: Uint8Array };

/** A peer says who it is. */
export interface AuthFrame {
  readonly kind: "auth";
  readonly deviceId: string;
  /** Empty where the connection has shown credentials (`SessionOptions.greets`): then these count. */
  readonly token: string;
  /** The peer's own name for this connection: a newer one of the same principal and name takes its place, also of a user (MQTT 3.1.1 §3.1.4). */
  readonly client?: string | undefined;
  /** Its last will: published when the connection ends without a goodbye. At qos 1 and 2, too, it may lack a msgid. */
  readonly will?: Message | undefined;
}

/** A peer asks for a topic filter. */
export interface SubscribeFrame {
  readonly kind: "subscribe";
  readonly topic: string;
  readonly qos: Qos;
  /** Replay what the journal holds after this offset first. */
  readonly since?: number | undefined;
  /** The peer's own name for the subscription. */
  readonly ref?: string | undefined;
  /** The journal that `since` is an offset of, as `subscribed` named it. */
  readonly epoch?: string | undefined;
  /** Deliver as binary frames. */
  readonly binary?: boolean | undefined;
  /** What becomes of deliveries of qos 0 that the peer does not read fast enough. Default: what the listener says. */
  readonly overflow?: Overflow | undefined;
  /** Deliveries that may wait before that, 1–100,000. Default: what the listener says. */
  readonly limit?: number | undefined;
}

/** A frame was refused. */
export interface ErrorFrame {
  readonly kind: "error";
  readonly code: ErrorCode;
  readonly message: string;
  readonly msgid?: string | undefined;
  readonly ref?: string | undefined;
  /** With UNKNOWN_OFFSET: the oldest offset that can be had, to subscribe anew with `since` one less; and the journal it is of. */
  readonly oldest?: number | undefined;
  readonly epoch?: string | undefined;
}

/** A delivery has arrived, or, with `payload` or `status`, a command is answered. */
export interface AckFrame {
  readonly kind: "ack";
  readonly msgid: string;
  /** The delivery's place in the journal: tells it from another of the same msgid. */
  readonly offset?: number | undefined;
  readonly status?: "ok" | "error" | undefined;
  readonly payload?: unknown;
}
