import type { Message, Qos } from "./envelope.ts";
import type { ErrorCode } from "./errors.ts";

/**
 * What a session says and hears, whatever the encoding (WIRE §2). An envelope travels as the Message itself: `kind` "message".
 * Client to server: auth, message, batch, subscribe, unsubscribe, ack, ping, pong. Server to client: auth_response, message,
 * subscribed, unsubscribed, ack, error, ping, pong.
 */
export type Frame =
  | Message
  | { readonly kind: "auth"; readonly deviceId: string; readonly token: string }
  | { readonly kind: "auth_response"; readonly status: "success"; readonly timestamp: number }
  | { readonly kind: "batch"; readonly messages: readonly Message[] }
  | SubscribeFrame
  | { readonly kind: "subscribed"; readonly topic: string; readonly ref?: string | undefined; readonly offset?: number | undefined }
  | { readonly kind: "unsubscribe"; readonly topic: string; readonly ref?: string | undefined }
  | { readonly kind: "unsubscribed"; readonly topic: string; readonly ref?: string | undefined }
  | AckFrame
  | { readonly kind: "error"; readonly code: ErrorCode; readonly message: string; readonly msgid?: string | undefined; readonly ref?: string | undefined }
  | { readonly kind: "ping" }
  | { readonly kind: "pong" };

/** A peer asks for a topic filter. */
export interface SubscribeFrame {
  readonly kind: "subscribe";
  readonly topic: string;
  readonly qos: Qos;
  /** Replay what the journal holds after this offset first. */
  readonly since?: number | undefined;
  /** The peer's own name for the subscription. */
  readonly ref?: string | undefined;
  /** Deliver as binary frames. */
  readonly binary?: boolean | undefined;
}

/** A delivery has arrived, or, with `payload` or `status`, a command is answered. */
export interface AckFrame {
  readonly kind: "ack";
  readonly msgid: string;
  readonly status?: "ok" | "error" | undefined;
  readonly payload?: unknown;
}
