import type { Outgoing } from "./envelope.ts";

/** A frame of the session as JSON has it (WIRE §2). */
export interface WireFrame {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** What a connection tells of. */
export interface ConnectionEvents {
  /** Frames may be sent. */
  opened(): void;
  /** A frame came. Envelopes have a `from`. */
  frame(frame: WireFrame): void;
  /** It is gone, or never came about: called once, and not after `close`. `code`: WIRE §2, 0 where the transport has none. */
  closed(code: number, reason: string): void;
}

/** One connection to a gateway, whatever its protocol. */
export interface Connection {
  /** Sends messages in order, in one frame where the protocol has batches. */
  publish(messages: readonly Outgoing[]): void;
  /** Sends any other frame. */
  send(frame: WireFrame): void;
  /** Bytes that the system has not taken yet. */
  buffered(): number;
  /** Ends it; no event follows. `clean`: we say goodbye, so the last will is not published. */
  close(clean: boolean): void;
}

/** Opens connections: JSON over WebSocket by default, protobuf over TCP from `@busbar/client/tcp`. */
export interface Transport {
  open(url: string, events: ConnectionEvents): Connection;
}
