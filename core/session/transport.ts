/**
 * Close codes of WIRE §2, from RFC 6455 §7.4.1 and the private range; a transport without close codes just ends the connection.
 */
export const CloseCode = {
  normal: 1000,
  shuttingDown: 1001,
  tooLarge: 1009,
  full: 1013,
  heartbeat: 4001,
  slowConsumer: 4008,
  replaced: 4009,
  rateLimit: 4029,
  protocolError: 4400,
  authTimeout: 4401,
  authFailed: 4403,
} as const;

/** One of the close codes. */
export type CloseCode = (typeof CloseCode)[keyof typeof CloseCode];

/**
 * The connection below a session, as the session sees it. It coalesces what is sent within one turn of the event loop, and its writes never wait.
 */
export interface Transport {
  /** The peer's address, for the log and for limits. */
  readonly remote: string;
  /** Which kind it is, for metrics and the log: "websocket", "tcp", … */
  readonly kind: string;
  /** Queues the bytes of one frame; they are shared with other connections and never written to. `binary` as the codec says; ignored where the transport has no such notion. */
  send(bytes: Uint8Array, binary: boolean): void;
  /** Bytes that are queued and not yet taken by the peer. */
  buffered(): number;
  /** Stops and starts reading from the peer. */
  pause(): void;
  resume(): void;
  /** Sends what is queued, then ends the connection. */
  close(code: CloseCode, reason: string): void;
}
